#!/bin/sh
# Runs every test with the Python in $PY; all parts run even when one fails. Called by `make test`.
PY=${PY:-python3}
export OMP_NUM_THREADS=1          # two workers on two cores; also keeps sums in one order
unset VQLAB_PUBLISH
export PLOTLY_RENDERER=plotly_mimetype    # the PNG beside a stored figure is the author's work only
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
failed=0

part() {
    title=$1
    shift
    echo "vqlab: $title"
    { "$PY" -m pytest -q --tb=short -rfEs "$@" 2>&1; echo "exit status $?"; } | tee "$lines.part" |
        grep -v "^exit status"
    status=$(sed -n 's/^exit status //p' "$lines.part" | tail -n 1)
    # pytest ends with 5 where there is nothing to test.
    case $status in 0 | 5) ;; *) failed=1 ;; esac
    grep -E "^(=+ )?([0-9]+ (passed|failed|skipped|error)|no tests ran)" "$lines.part" |
        tail -n 1 >>"$lines"
    rm -f "$lines.part"
}

part "library, README, browser" -n 2 --dist loadscope tests
# A cell that takes minutes hangs: the longest takes half a minute, more on a busy machine.
if ls notebooks/*.ipynb >/dev/null 2>&1; then
    # The longest first: begun last, it would keep one worker busy while the other waits. Sweeps run
    # in the lesson's own process: the cores are taken, and what a run remembers serves the next.
    export LOKY_MAX_CPU_COUNT=1
    part "lessons" -n 2 --dist loadscope --no-loadscope-reorder --nbval-lax --nbval-current-env \
        --nbval-sanitize-with notebooks/sanitize.cfg --nbval-cell-timeout 300 \
        $("$PY" .make/slowest_first.py)
fi

echo
echo "vqlab: all parts"
cat "$lines"
exit $failed
