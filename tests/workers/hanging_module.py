"""Never gets loaded."""

import time

print("hanging now", flush=True)
time.sleep(3600)
