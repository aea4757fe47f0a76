#!/bin/sh
# Build the image of one commit, and print how it is named. What is not committed is not in it.
# usage: deploy/build.sh [--wheels FOLDER] [--base IMAGE] [--build-base IMAGE] [COMMIT]      (default HEAD)
# The engine is $QUIETMAKER_ENGINE: docker (the default), podman, or another that takes docker's words.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
engine=${QUIETMAKER_ENGINE:-docker}
wheels='' base='' build_base='' commit=HEAD
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=$2; shift 2 ;;
        --base) base=$2; shift 2 ;;
        --build-base) build_base=$2; shift 2 ;;
        -*) echo "error: unknown option $1; see the head of $0" >&2; exit 2 ;;
        *) commit=$1; shift ;;
    esac
done
revision=$(git -C "$here" rev-parse --verify "$commit^{commit}")
created=$(git -C "$here" show -s --format=%cI "$revision")
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
git -C "$here/.." archive "$revision" | tar -x -C "$context"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$context/pyproject.toml")
if [ -n "$wheels" ]; then
    [ "$(cat "$wheels/REVISION")" = "$revision" ] || {
        echo "error: $wheels is not of commit $revision; run deploy/wheels.sh $wheels $revision" >&2; exit 1; }
    cp -r "$wheels" "$context/wheels"
fi
image=quietmaker:$(printf %.12s "$revision")
set -- --build-arg "REVISION=$revision" --build-arg "VERSION=$version" --build-arg "CREATED=$created"
[ -z "$base" ] || set -- "$@" --build-arg "BASE=$base"
[ -z "$build_base" ] || set -- "$@" --build-arg "BUILD_BASE=$build_base"
case $engine in *podman*|*buildah*) set -- "$@" --format docker ;; esac  # else there is no health check in it
$engine build "$@" --tag "$image" --file "$context/Dockerfile" "$context" >&2
echo "$image"
