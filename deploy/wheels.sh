#!/bin/sh
# Fill a folder with every wheel of the image, one commit's compiled Quietmaker among them, for builds without a network.
# usage: deploy/wheels.sh FOLDER [COMMIT]      (default HEAD; PYTHON must be of the base image's version)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: deploy/wheels.sh FOLDER [COMMIT]}
revision=$(git -C "$here" rev-parse --verify "${2:-HEAD}^{commit}")
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git -C "$here/.." archive "$revision" | tar -x -C "$source"
rm -rf "$folder"
${PYTHON:-python3} -m pip wheel --quiet --disable-pip-version-check \
    --constraint "$source/deploy/constraints.txt" --wheel-dir "$folder" "$source"
echo "$revision" > "$folder/REVISION"
set -- "$folder"/*.whl
echo "$# wheels in $folder" >&2
