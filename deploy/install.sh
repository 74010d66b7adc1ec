#!/bin/sh
# The install steps of the Dockerfiles, as a script that also runs outside of them:
#   sh deploy/install.sh SOURCE [EXTRAS]
# SOURCE: the folder with setup.py. EXTRAS: such as cloud,ray. PYTHON: the interpreter, of an own environment.
set -eu

source=${1:?the folder with setup.py}
extras=${2:-}
python=${PYTHON:-python}

if [ -n "$extras" ]; then
    "$python" -m pip install --no-cache-dir "$source[$extras]"
else
    "$python" -m pip install --no-cache-dir "$source"
fi
"$python" -m prosepose_jax --version
