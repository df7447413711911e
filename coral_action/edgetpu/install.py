"""stub"""
from pathlib import Path
def installed_compiler(environment): return None
