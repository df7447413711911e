"""`python -m coral_action` is `coral-quantize`."""

from coral_action.cli import main

if __name__ == "__main__":
    main()
