# Prints what a virtual environment has for the requirements on the command
# line, as NAME==VERSION lines: themselves and all that they need, also what the
# system's own packages satisfy, which pip freeze --local leaves out.
import re
import sys
from importlib import metadata

todo, seen = sys.argv[1:], set()
while todo:
    m = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", todo.pop())
    name = re.sub(r"[-_.]+", "-", m.group()).lower()
    if name in seen:
        continue
    seen.add(name)
    try:
        dist = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        continue  # needed only elsewhere, or by an extra that is not asked for
    print(f"{name}=={dist.version}")
    todo += dist.requires or []
