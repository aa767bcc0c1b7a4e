#!/bin/sh
# Makes the virtual environment and installs the locked versions into it.
#   setup.sh FOLDER [EXTRAS]      EXTRAS such as test or test,bench
# $PYTHON chooses the Python; without it the first fitting one on the path is taken.
venv=$1
extras=${2:+[$2]}
log=$venv.log
oldest="3, 11"

fail() {
    echo "vqlab: $*" >&2
    exit 1
}

fits() { "$1" -c "import sys; sys.exit(sys.version_info < ($oldest))" >/dev/null 2>&1; }

find_python() {
    if [ -n "$PYTHON" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "no Python at PYTHON=$PYTHON"
        fits "$PYTHON" && return
        fail "Python 3.11 or newer is needed; PYTHON=$PYTHON is $("$PYTHON" --version 2>&1)"
    fi
    for PYTHON in python3 python python3.14 python3.13 python3.12 python3.11; do
        fits "$PYTHON" && return
    done
    command -v python3 >/dev/null 2>&1 ||
        fail "no Python found: install Python 3.11 or newer, or name one with PYTHON=/path/to/python"
    fail "Python 3.11 or newer is needed, found $(python3 --version 2>&1);" \
        "name another with PYTHON=/path/to/python"
}

make_venv() {
    find_python
    "$PYTHON" -c "import venv, ensurepip" 2>/dev/null ||
        fail "$PYTHON cannot make virtual environments: install its venv package" \
            "(on Debian and Ubuntu: apt-get install python3-venv)"
    echo "vqlab: making $venv with $("$PYTHON" --version 2>&1)"
    "$PYTHON" -m venv --clear "$venv" >>"$log" 2>&1 ||
        fail "$PYTHON could not make a virtual environment in $venv; the reasons are in $log"
}

# pip's own lines are kept in the log; a reader sees the big downloads, and that work goes on.
show_progress() {
    awk -v terminal="$1" '
        function say(text) { if (terminal) printf "\r\033[K"; print "vqlab:   " text; fflush() }
        /^Collecting / { n++; if (terminal) { printf "\r\033[K  %d packages: %s", n, $2; fflush() } }
        /^ *Downloading .*\([0-9.]+ [MG]B\)/ {
            size = substr($0, index($0, "(")); name = $2; sub(/-.*/, "", name)
            if (size ~ /G/ || substr(size, 2) + 0 >= 20) say("fetching " name " " size)
        }
        /^Installing collected packages/ { say("installing " NF - 3 " packages") }
        END { if (terminal) printf "\r\033[K" }'
}

why_pip_failed() {
    if grep -Eq "NewConnectionError|NameResolutionError|name resolution|not known|ConnectTimeout|\
Read timed out|ReadTimeout|Network is unreachable|Connection refused|ProxyError" "$log"; then
        fail "pip cannot reach the package index: is there a network connection? (details: $log)"
    fi
    fail "pip failed: $(grep '^ERROR' "$log" | head -n 1 | cut -c 1-300) (details: $log)"
}

mkdir -p "$(dirname "$venv")" && : >"$log" || fail "cannot write to $(dirname "$venv")"
"$venv/bin/python" -c "import pip" >/dev/null 2>&1 && fits "$venv/bin/python" || make_venv

echo "vqlab: installing the locked versions$extras; 2 to 5 minutes the first time" \
    "(PyTorch is the big one), seconds when little is missing"
terminal=""
[ -t 1 ] && terminal=1
{
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --retries 2 \
        -c .constraints.txt -e ".$extras" 2>&1
    echo "exit status $?"
} | tee -a "$log" | show_progress "$terminal"
tail -n 1 "$log" | grep -q "^exit status 0$" || why_pip_failed
