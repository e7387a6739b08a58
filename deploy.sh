#!/usr/bin/env bash
# Install and run robotrading from this folder. Safe to run twice; nothing outside the folder is touched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${ROBOTRADING_VENV:-$here/.venv}
async_venv=${ROBOTRADING_ASYNC_VENV:-$here/.venv-async}

usage() {
    cat <<'TEXT'
Usage: ./deploy.sh COMMAND

  demo    install, then run all three sessions on the built-in sample market
          (no account, no keys, no internet beyond the package index)
  test    install, then run every check: format, lint, types, imports, tests
  install only make the virtual environment and install into it
  help    this text

The environment lives in .venv (ROBOTRADING_VENV names another place). It needs Python 3.11 to 3.13;
ROBOTRADING_PYTHON names an interpreter if the right one is not found.
TEXT
}

say() { printf '%s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    if [[ -n ${ROBOTRADING_PYTHON:-} ]]; then
        fits "$ROBOTRADING_PYTHON" || {
            say "ROBOTRADING_PYTHON=$ROBOTRADING_PYTHON is not Python 3.11 to 3.13"
            return 1
        }
        echo "$ROBOTRADING_PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "Python 3.11 to 3.13 is needed and was not found."
    say "On Debian or Ubuntu: sudo apt-get install python3 python3-venv"
    return 1
}

# make_venv FOLDER: an empty environment, unless a working one is there.
make_venv() {
    if [[ -x $1/bin/python ]] && fits "$1/bin/python"; then
        return
    fi
    local python
    python=$(find_python)
    say "Making the virtual environment $1 with $("$python" --version)"
    "$python" -m venv --clear "$1" || {
        say "The venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"
        return 1
    }
}

# fill FOLDER FILE...: install what the requirement files pin, and this package; skipped when nothing has changed.
fill() {
    local folder=$1 stamp wanted
    shift
    stamp=$folder/.installed
    wanted=$(cat "$@" "$here/pyproject.toml" | cksum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return
    fi
    local arguments=() file
    for file in "$@"; do arguments+=(-r "$file"); done
    say "Installing into $folder (a minute or two the first time)"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${arguments[@]}"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable "$here"
    echo "$wanted" >"$stamp"
}

install_app() {
    make_venv "$venv"
    fill "$venv" "$here/requirements.txt"
}

demo() {
    install_app
    cd "$here"
    "$venv/bin/robotrading" demo "$@"
    say ""
    say "The command is $venv/bin/robotrading; 'source $venv/bin/activate' makes it plain 'robotrading'."
}

# The broker's library exists twice; the tests of the adapter must be green with either of them.
test_async() {
    make_venv "$async_venv"
    fill "$async_venv" "$here/requirements-async.txt" "$here/requirements-dev.txt"
    "$async_venv/bin/python" -m pytest tests/wire tests/contract/test_ibkr_broker.py -n 2
}

# On a machine for tests (CI=true) nothing is skipped for want of a program: Debian's packages bring it.
install_for_tests() {
    [[ ${CI:-} == true ]] || return 0
    local wanted=() sudo=()
    command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || wanted+=(postgresql)
    command -v chromium >/dev/null || wanted+=(chromium)
    command -v shellcheck >/dev/null || wanted+=(shellcheck)
    command -v promtool >/dev/null || wanted+=(prometheus)
    command -v systemd-analyze >/dev/null || wanted+=(systemd)
    ((${#wanted[@]})) || return 0
    [[ $EUID -eq 0 ]] || sudo=(sudo)
    say "Installing what the tests use: ${wanted[*]}"
    "${sudo[@]}" apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}" >&2
}

run_tests() {
    install_for_tests
    make_venv "$venv"
    fill "$venv" "$here/requirements.txt" "$here/requirements-dev.txt"
    cd "$here"
    export PATH=$venv/bin:$PATH
    say "format";  ruff format --check .
    say "lint";    ruff check .
    say "types";   mypy
    say "imports"; lint-imports
    say "tests";   python -m pytest -n 2 --cov --cov-report= "$@"
    coverage report --skip-covered --skip-empty --fail-under=95
    say "the core: every line and branch"
    coverage report --skip-covered --skip-empty --fail-under=100 \
        --include='robotrading/domain/*,robotrading/strategy/*,robotrading/portfolio/*,robotrading/execution/*'
    say "tests with ib_async"
    test_async
}

case ${1:-help} in
    demo) shift && demo "$@" ;;
    test) shift && run_tests "$@" ;;
    install) install_app ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        say "deploy.sh: there is no command '$1'"
        exit 2
        ;;
esac
