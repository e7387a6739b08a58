#!/usr/bin/env bash
# Install and run robotrading: from this folder, or as a service of the machine. Safe to run twice.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${ROBOTRADING_VENV:-$here/.venv}
async_venv=${ROBOTRADING_ASYNC_VENV:-$here/.venv-async}

usage() {
    cat <<'TEXT'
Usage: ./deploy.sh COMMAND

In this folder, without root:
  demo       install here, then run all three sessions on the built-in sample
             market (no account, no keys, no internet beyond the package index)
  test       install here, then run every check: format, lint, types, tests
  install    only make the virtual environment and install into it

As a service of systemd, with sudo:
  install    user, release, configuration, unit; enable and start it
  start | stop | restart
  status     the unit, its status line, the release in use
  logs       the last lines; -f follows, other options as of journalctl
  upgrade    put this folder's version in place of the installed one; goes back
             to the old release when the new one does not become healthy
  uninstall  remove the service, keep configuration and state; --purge removes
             those too, after a typed word

Both:
  doctor     check every part that a run needs
  docker     docker compose up, with this folder's compose file
  help       this text

Without root the environment lives in .venv (ROBOTRADING_VENV names another
place). It needs Python 3.11 to 3.13; ROBOTRADING_PYTHON names an interpreter
if the right one is not found. The service: docs/systemd.md.
TEXT
}

say() { printf '%s\n' "$*" >&2 || true; }

fail() {
    say "deploy.sh: $1"
    exit "${2:-1}"
}

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
    "$python" -P -m venv --clear "$1" || {
        say "The venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"
        return 1
    }
}

# ---- in this folder -------------------------------------------------------------------------------------------------

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
    "$folder/bin/python" -P -m pip install --quiet --disable-pip-version-check "${arguments[@]}"
    "$folder/bin/python" -P -m pip install --quiet --disable-pip-version-check --no-deps --editable "$here"
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
    "$async_venv/bin/python" -m pytest tests/wire tests/contract/test_ibkr_broker.py -n 4
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
    command -v docker-compose >/dev/null || wanted+=(docker-compose)
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
    say "tests";   python -m pytest -n 4 --durations=30 --cov --cov-report= "$@"
    coverage report --skip-covered --skip-empty --fail-under=95
    say "the core: every line and branch"
    coverage report --skip-covered --skip-empty --fail-under=100 \
        --include='robotrading/domain/*,robotrading/strategy/*,robotrading/portfolio/*,robotrading/execution/*'
    say "tests with ib_async"
    test_async
}

compose_up() {
    cd "$here"
    command -v docker >/dev/null || command -v docker-compose >/dev/null ||
        fail "there is no docker here. On Debian: sudo apt-get install docker.io docker-compose; or run: ./deploy.sh demo"
    # Debian's docker needs to be told to build with BuildKit. One copy keeps one port; a range is for several.
    export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
    [[ " $* " == *" --scale"* ]] || export ROBOTRADING_PORTS=${ROBOTRADING_PORTS:-8080}
    if docker compose version >/dev/null 2>&1; then
        docker compose up --detach --build "$@"
    elif command -v docker-compose >/dev/null; then
        docker-compose up --detach --build "$@"
    else
        fail "docker has no compose here. On Debian: sudo apt-get install docker-compose"
    fi
}

# shellcheck source=deploy/service.sh
source "$here/deploy/service.sh"

# As root the service is meant, where systemd runs; a container or a build has none.
install_any() {
    if [[ -n $prefix || ($EUID -eq 0 && -d /run/systemd/system) ]]; then
        install_service
        return
    fi
    install_app
    [[ $EUID -ne 0 ]] || say "systemd does not run here: only the environment $venv was made, no service."
}

trap drop_unfinished EXIT
case ${1:-help} in
    demo) shift && demo "$@" ;;
    test) shift && run_tests "$@" ;;
    install) install_any ;;
    start) control start ;;
    stop) control stop ;;
    restart) control restart ;;
    status) show_status ;;
    logs) shift && show_logs "$@" ;;
    upgrade) upgrade ;;
    uninstall) shift && uninstall "$@" ;;
    doctor) shift && doctor "$@" ;;
    docker) shift && compose_up "$@" ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        say "deploy.sh: there is no command '$1'"
        exit 2
        ;;
esac
