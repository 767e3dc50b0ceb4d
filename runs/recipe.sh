# Sourced by the recipes beside it, which say what they cost and then train in stages.
#   sh runs/NAME.sh FOLDER_OF_IMAGES [FOLDER_OF_RUNS] [--dry-run]
# --dry-run prints cost and commands and runs nothing. Stopped, the same line goes on where it was.
set -eu
trap 'exit 130' INT
. "$(dirname "$0")/../.ci/show"
dry= images= runs=
for word in "$@"; do
    case $word in
    --dry-run) dry=yes ;;
    *) if [ -z "$images" ]; then images=$word; else runs=$word; fi ;;
    esac
done
[ -z "$dry" ] || images=${images:-FOLDER_OF_IMAGES}
if [ -z "$images" ]; then
    echo "usage: sh $0 FOLDER_OF_IMAGES [FOLDER_OF_RUNS] [--dry-run]" >&2
    exit 2
fi
if [ -z "$dry" ] && [ ! -e "$images" ]; then
    echo "There is no folder of images $images; name one: sh $0 FOLDER_OF_IMAGES" >&2
    exit 1
fi
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=python
export PYTHONPATH="$root"

# cost WHAT AMOUNT: one line of what the recipe takes.
cost() {
    printf '%-10s %s\n' "$1" "$2"
}

# train RUN IMAGES FLAGS...: trains a run until it has seen so many images, unless it has.
train() {
    run=$1 total=$2
    shift 2
    set -- "$python" -m sgan train --image_folder_path "$images" --save_folder_path "$run" --n_sample_total "$total" "$@"
    if [ -n "$dry" ]; then
        show "$@"
    elif ! has_seen "$run" "$total"; then
        show_and_run "$@"
        has_seen "$run" "$total" || exit 1 # stopped, or given up: the next stage would start from less
    fi
}

# Succeeds if a run has a state after so many images.
has_seen() {
    for state in "$1"/state-*.safetensors; do
        [ -e "$state" ] || return 1
        seen=${state##*/state-}
        seen=$(echo "${seen%.safetensors}" | sed 's/^0*//')
        [ "${seen:-0}" -lt "$2" ] || return 0
    done
    return 1
}
