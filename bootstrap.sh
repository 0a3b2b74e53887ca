#!/bin/sh
# sh bootstrap.sh COMMAND [ARGS]: install vmemu into .venv if need be, then run COMMAND there.
# This finds a Python; bootstrap.py does the work.

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 2
for python in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14; do
	if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		exec "$python" -P "$here/bootstrap.py" "$@"
	fi
done
echo "vmemu: Python 3.11 or newer is needed and was not found (on Debian: apt-get install python3)." >&2
exit 2
