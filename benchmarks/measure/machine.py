"""What is measured on, in a line."""

import os
import platform
from pathlib import Path

import psutil


def machine() -> str:
    model = platform.processor() or platform.machine()
    known = Path("/proc/cpuinfo")
    if known.exists():
        names = [
            line.partition(":")[2].strip() for line in known.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    gigabytes = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    return f"{psutil.cpu_count()} x {model}, {gigabytes:.0f} GB, {platform.system()}, load {load:.1f} before"
