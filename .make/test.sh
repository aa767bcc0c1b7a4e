#!/bin/sh
# Runs every test with the Python in $PY, also after one has failed. Called by `make test`.
PY=${PY:-python3}
unset VQLAB_PUBLISH
export OMP_NUM_THREADS=1          # also keeps sums in one order
export PLOTLY_RENDERER=plotly_mimetype    # the PNG beside a stored figure is the author's work only

# A worker more than there are cores: tests that drive a browser or other programs wait for these
# most of their time. Beyond eight there is not enough to do.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$cores" -le 8 ] || cores=8

order=$("$PY" .make/order.py) || exit 1

# A cell that takes minutes hangs: the longest takes half a minute, more on a busy machine.
exec "$PY" -m pytest -q --tb=short -rfEs -n $((cores + 1)) --dist loadscope --no-loadscope-reorder \
    --nbval-lax --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg \
    --nbval-cell-timeout 300 $order
