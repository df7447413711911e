"""The commands of `coral-quantize`; one file each."""
