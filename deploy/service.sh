#!/usr/bin/env bash
# robotrading as a service of the machine: the part of deploy.sh that changes it. Read by deploy.sh, which brings
# `here`, `say`, `fail` and `find_python`; not a program of its own.
# shellcheck disable=SC2154
set -euo pipefail

# Where the service lives. A prefix (for tests) leaves users and systemd alone.
prefix=${ROBOTRADING_PREFIX:-}
opt=$prefix/opt/robotrading
etc=$prefix/etc/robotrading
state=$prefix/var/lib/robotrading
logs=$prefix/var/log/robotrading
entry=$prefix/usr/local/bin/robotrading
units=$prefix/etc/systemd/system
unit=trading-bot.service
user=robotrading
settle_seconds=${ROBOTRADING_SETTLE_SECONDS:-10}
health_seconds=${ROBOTRADING_HEALTH_SECONDS:-120}

on_machine() { [[ -z $prefix ]]; }
installed() { [[ -L $opt/current ]]; }
current_release() { if installed; then basename "$(readlink "$opt/current")"; fi; }
active() { on_machine && systemctl is-active --quiet "$unit"; }

need_root() {
    [[ -n $prefix || $EUID -eq 0 ]] || fail "'$1' changes the machine and needs root: sudo $here/deploy.sh $1" 2
}

need_service() {
    need_root "$1"
    installed || fail "the service is not installed; run: sudo $here/deploy.sh install"
}

# One at a time: two that change the same folders would undo each other.
take_turn() {
    mkdir -p "$opt"
    exec 9>"$opt/.lock"
    flock --nonblock 9 || fail "another deploy.sh is at work (it holds $opt/.lock); wait for it to end"
}

drop_unfinished() {
    local code=$?
    [[ -z ${unfinished:-} ]] || rm -rf "$unfinished"
    exit "$code"
}

parts() {
    local part
    for part in robotrading deploy/service.sh docs pyproject.toml requirements.txt README.md LICENSE config.yaml deploy.sh "$unit"; do
        if [[ -e $here/$part ]]; then echo "$part"; fi
    done
}

# The version and what it was made of: the same folder gives the same name, a changed one another.
release_name() {
    local version content
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$here/robotrading/__init__.py")
    content=$(cd "$here" && parts | tr '\n' '\0' |
        xargs -0 -I{} find {} -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
    echo "${version:-0}-${content:0:12}"
}

# One that the service's user can reach: what lies in somebody's home is hidden from it.
python_for_service() {
    local python home
    if ! on_machine; then
        find_python
        return
    fi
    python=$(PATH=/usr/local/bin:/usr/bin:/bin find_python) || return
    home=$("$python" -c 'import sys; print(sys.base_prefix)')
    case $home in
        /root/* | /home/*) fail "$python lives in $home, where the service cannot see it; set ROBOTRADING_PYTHON to another" ;;
    esac
    echo "$python"
}

# build_release NAME: its own folder with the source and a virtual environment; nothing that runs is touched.
# Python is told (-P) not to load modules from the folder that this was called in: it may be anybody's, and we are root.
build_release() {
    local release=$opt/releases/$1 python
    if [[ -f $release/.complete ]]; then return; fi
    python=$(python_for_service)
    say "Building release $1 (a minute or two)"
    unfinished=$release
    rm -rf "$release"
    mkdir -p "$release/source"
    parts | tar -C "$here" --exclude=__pycache__ --no-same-owner -cf - -T - | tar -C "$release/source" --no-same-owner -xf -
    "$python" -P -m venv "$release/venv" || fail "the venv module is missing. On Debian: sudo apt-get install python3-venv"
    local pip=("$release/venv/bin/python" -P -m pip install --quiet --disable-pip-version-check --root-user-action=ignore)
    "${pip[@]}" -r "$release/source/requirements.txt"
    "${pip[@]}" --no-deps "$release/source"
    rm -rf "$release/source/build" "$release/source"/*.egg-info
    chmod -R go+rX,go-w "$release"
    touch "$release/.complete"
    unfinished=
}

# entry_for COMMAND: a script that runs it as the service does: its user, configuration, state and secrets. A secret
# that is there and cannot be had ends it: without the database's address it would trade by an empty ledger.
entry_for() {
    cat <<SCRIPT
#!/bin/sh
# robotrading with the configuration and the state of the service, as its user. Written by deploy.sh.
set -eu
command=$1
etc=$etc
user=$user
export ROBOTRADING_CONFIG="\${ROBOTRADING_CONFIG:-$etc/config.yaml}"
export ROBOTRADING_STATE_DIR="\${ROBOTRADING_STATE_DIR:-$state}"
SCRIPT
    if ! on_machine; then
        printf '%s\n' "exec \"\$command\" \"\$@\""
        return
    fi
    cat <<'SCRIPT'
if [ "$(id -un)" = "$user" ]; then exec "$command" "$@"; fi
if [ "$(id -u)" -ne 0 ]; then
    case "${1:---help}" in -h | --help | --version) exec "$command" "$@" ;; esac
    echo "robotrading: the service's state belongs to the user $user; run: sudo robotrading $*" >&2
    exit 2
fi
secret() {
    name=${1##*/}
    case "$name" in '' | *[!A-Z0-9_]*) return 1 ;; esac
    [ -f "$1" ] && eval "[ -z \"\${$name:-}\" ]"
}
unusable() {
    echo "robotrading: $file $1 (above), so nothing was started; write it anew, or remove it" >&2
    exit 2
}
for file in "$etc"/credentials/*; do
    if secret "$file"; then
        value=$(cat "$file") || unusable "cannot be read"
        export "$name=$value"
    fi
done
for file in "$etc"/credentials.sealed/*; do
    if secret "$file"; then
        value=$(systemd-creds decrypt --name="sealed_$name" "$file" -) || unusable "cannot be decrypted on this machine"
        export "$name=$value"
    fi
done
umask 077
export HOME=/var/lib/robotrading USER="$user" LOGNAME="$user"
exec setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs "$command" "$@"
SCRIPT
}

# as_service RELEASE ARGUMENT...: one of that release's own commands.
as_service() {
    local release=$1
    shift
    sh -c "$(entry_for "$opt/releases/$release/venv/bin/robotrading")" robotrading "$@"
}

# as_user COMMAND...: not as root, so that no file of the state becomes root's.
as_user() {
    if on_machine; then
        setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs "$@"
    else
        "$@"
    fi
}

make_user() {
    if ! on_machine || getent passwd "$user" >/dev/null; then return; fi
    useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user"
    changed+=("user $user")
}

# put MODE FILE: standard input becomes that file, unless it is the same already.
put() {
    local mode=$1 file=$2 beside code=0
    beside=$(mktemp) || return
    if ! cat >"$beside"; then
        code=1
    elif ! cmp --silent "$beside" "$file"; then
        if install -D --mode="$mode" "$beside" "$file"; then changed+=("$file"); else code=1; fi
    fi
    rm -f "$beside"
    return "$code"
}

make_folders() {
    local folder
    for folder in "$etc" "$etc/credentials" "$etc/credentials.sealed" "$state"; do
        [[ -d $folder ]] || changed+=("$folder")
    done
    install -d --mode=0755 "$opt" "$opt/releases" "$etc"
    install -d --mode=0700 "$etc/credentials" "$etc/credentials.sealed"
    if on_machine; then
        install -d --mode=0700 --owner="$user" --group="$user" "$state"
    else
        install -d --mode=0700 "$state"
    fi
    if [[ ! -e $etc/config.yaml ]]; then
        put 0640 "$etc/config.yaml" <"$here/config.yaml"
        if on_machine; then chgrp "$user" "$etc/config.yaml"; fi
    fi
}

# Pauses that grow need systemd 254.
growing_pauses() {
    local known
    known=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    ((${known:-0} >= 254)) || return 0
    put 0644 "$units/$unit.d/10-growing-pauses.conf" <<'TEXT'
[Unit]
StartLimitIntervalSec=0
[Service]
RestartSteps=8
RestartMaxDelaySec=5min
TEXT
}

# use_release NAME: it is the current one from here on, with its own unit. Each step is asked for its success: where the
# caller asks for the whole, the shell does not end by itself.
use_release() {
    local release=$opt/releases/$1
    put 0644 "$units/$unit" <"$release/source/$unit" || return
    put 0755 "$entry" < <(entry_for "$opt/current/venv/bin/robotrading") || return
    if [[ $(current_release) != "$1" ]]; then
        ln -sfn "releases/$1" "$opt/current.new" || return
        mv -T "$opt/current.new" "$opt/current" || return
        changed+=("release in use")
    fi
    if on_machine; then
        growing_pauses || return
        systemctl daemon-reload || return
    fi
}

# preflight NAME: the release's own opinion of this machine and its configuration. Warnings do not stop it.
preflight() {
    local code=0
    as_service "$1" config check >&2 || return
    as_service "$1" doctor --offline >&2 || code=$?
    ((code == 0 || code == 3))
}

# health_of NAME: the number that /health answers, or 'none'.
health_of() {
    as_service "$1" config show --json 2>/dev/null | "$opt/releases/$1/venv/bin/python" -P -c '
import json, sys, urllib.error, urllib.request
service = json.load(sys.stdin)["service"]
host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(service["host"], service["host"])
host = "[%s]" % host if ":" in host else host
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
try:
    print(ask("http://%s:%d/health" % (host, service["port"]), timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("none")
' || echo none
}

main_pid() { systemctl show --property=MainPID --value "$unit"; }

# comes_up NAME BEFORE: active, the same process for a while, and no less healthy than BEFORE (what /health said).
comes_up() {
    local name=$1 before=$2 until=$((SECONDS + health_seconds)) pid since now
    systemctl start "$unit" || return 1
    pid=$(main_pid)
    since=$SECONDS
    while active && [[ $(main_pid) == "$pid" ]]; do
        if ((SECONDS - since >= settle_seconds)); then
            now=$(health_of "$name")
            if [[ $now == 200 || $before != 200 && ($now == "$before" || $before == none) ]]; then return 0; fi
        fi
        if ((SECONDS >= until)); then
            say "release $name: /health answers ${now:-none} after $health_seconds s (before: $before)"
            return 1
        fi
        sleep 1
    done
    say "release $name: the service did not stay up"
    return 1
}

install_service() {
    need_root install
    take_turn
    local name old changed=()
    name=$(release_name)
    old=$(current_release)
    if [[ -n $old && $old != "$name" ]]; then
        say "Release $old is installed, this folder is $name: upgrading."
        upgrade_to "$name"
        return
    fi
    make_user
    make_folders
    build_release "$name"
    preflight "$name" || fail "put right what is named above (the configuration is $etc/config.yaml), then install again"
    use_release "$name"
    if on_machine; then
        systemctl is-enabled --quiet "$unit" || { systemctl enable --quiet "$unit" && changed+=("enabled"); }
        if ! active; then
            comes_up "$name" none || fail "the service does not start; see: $here/deploy.sh logs"
            changed+=("started")
        fi
    fi
    if ((${#changed[@]})); then
        say "Done: $(printf '%s; ' "${changed[@]}")release $name. Look: sudo robotrading status"
    else
        say "Nothing to change: release $name is installed."
    fi
}

upgrade() {
    need_service upgrade
    take_turn
    local name
    name=$(release_name)
    if [[ $name == "$(current_release)" ]]; then
        say "Nothing to change: release $name is the installed one."
        return
    fi
    upgrade_to "$name"
}

upgrade_to() {
    local name=$1 old was_active=no before=none copies changed=()
    old=$(current_release)
    copies=$state/backups/$(date -u +%Y%m%dT%H%M%SZ)-$old
    make_folders
    build_release "$name"
    if ! preflight "$name"; then
        rm -rf "${opt:?}/releases/$name"
        fail "release $name finds fault with this machine or its configuration (above); $old goes on, nothing was changed"
    fi
    # From here to the end there is no leaving half-way, whatever becomes of the terminal.
    trap '' HUP INT TERM PIPE
    if active; then
        was_active=yes
        before=$(health_of "$old")
        systemctl stop "$unit" || fail "the service could not be stopped (above), so nothing was changed"
    fi
    if ! copy_ledgers "$name" save "$copies"; then
        if [[ $was_active == yes ]]; then systemctl start "$unit"; fi
        fail "the ledger could not be copied (above), so nothing was changed; $old goes on"
    fi
    if use_release "$name" && { [[ $was_active == no ]] || comes_up "$name" "$before"; }; then
        drop_old_releases "$name" "$old"
        say "Upgraded from $old to $name; the ledger from before is in $copies"
        return
    fi
    roll_back "$name" "$old" "$was_active" "$copies"
}

# Migrations go forward only: a ledger that the new release has migrated is exchanged for the copy if nothing was
# recorded in between, and otherwise nothing is started that could forget an order.
roll_back() {
    local name=$1 old=$2 was_active=$3 copies=$4
    if [[ $was_active == yes ]]; then
        say "Release $name does not come up; going back to $old. Its last words:"
        journalctl --unit="$unit" --lines=15 --no-pager --output=cat >&2 || true
        systemctl stop "$unit" || true
        systemctl reset-failed "$unit" || true
    fi
    copy_ledgers "$name" put-back "$copies" ||
        fail "stays stopped: release $old cannot read the ledger any more. Put $name right and upgrade again" 3
    use_release "$old" ||
        fail "stays stopped: $old could not be put back either (above). Put that right and upgrade again" 3
    rm -rf "${opt:?}/releases/$name"
    [[ $was_active == yes ]] || fail "release $name could not be put in place (above); $old is the installed one still"
    comes_up "$old" none || fail "rolled back to $old, but it does not start either; see: $here/deploy.sh logs" 3
    fail "rolled back: release $old is active again, $name was not healthy"
}

# copy_ledgers NAME TASK FOLDER: save, or put-back; by the newer release, whose user owns the files.
copy_ledgers() {
    (cd / && as_user "$opt/releases/$1/venv/bin/python" -m robotrading.adapters.ledger.copies "$2" "$state" "$3") >&2
}

# drop_old_releases NAME...: all but these.
drop_old_releases() {
    local folder name
    for folder in "$opt"/releases/*/; do
        name=$(basename "$folder")
        [[ " $* " == *" $name "* ]] || rm -rf "$folder"
    done
}

uninstall() {
    need_root uninstall
    local word=
    take_turn
    case ${1:-} in
        --purge)
            say "This deletes the configuration, the secrets, and the ledger with all that the bot knows of its orders:"
            say "  $etc $state $logs"
            read -r -p "Type purge to go on: " word || true
            [[ $word == purge ]] || fail "nothing was removed, since the word was not typed"
            ;;
        '') ;;
        *) fail "uninstall knows --purge, not '$1'" 2 ;;
    esac
    if on_machine; then
        systemctl disable --quiet --now "$unit" 2>/dev/null || true
    fi
    # Only what an installation has made: the folder may be somebody's checkout as well, with a state of its own.
    rm -rf "${units:?}/$unit" "${units:?}/$unit.d/10-growing-pauses.conf" "$entry" \
        "${opt:?}/releases" "$opt/current" "$opt/current.new" "$opt/.lock"
    rmdir "$units/$unit.d" "$opt" 2>/dev/null || true
    if on_machine; then
        systemctl daemon-reload
        systemctl reset-failed "$unit" 2>/dev/null || true
    fi
    if [[ -z $word ]]; then
        say "Removed. Configuration and state are kept: $etc $state. Positions at the broker stay as they are."
        return
    fi
    rm -rf "$etc" "$state" "$logs"
    if on_machine && getent passwd "$user" >/dev/null; then userdel "$user"; fi
    say "Removed, with configuration and state. Positions at the broker stay as they are."
}

control() {
    need_service "$1"
    on_machine || fail "'$1' is about the machine's service, and ROBOTRADING_PREFIX=$prefix has none; unset it" 2
    systemctl "$1" "$unit" || fail "systemctl $1 $unit failed; see: sudo $here/deploy.sh logs"
    say "$unit: $(systemctl is-active "$unit" || true)"
}

show_status() {
    installed || fail "the service is not installed; run: sudo $here/deploy.sh install" 3
    echo "release $(current_release)"
    on_machine || return 0
    systemctl status --no-pager --lines=0 "$unit"
}

show_logs() {
    installed || fail "the service is not installed; run: sudo $here/deploy.sh install" 3
    on_machine || fail "'logs' is about the machine's service, and ROBOTRADING_PREFIX=$prefix has none; unset it" 2
    journalctl --unit="$unit" --lines=100 --no-pager "$@"
}

doctor() {
    if installed; then
        need_root doctor
        as_service "$(current_release)" doctor "$@"
    else
        install_app
        cd "$here"
        "$venv/bin/robotrading" doctor "$@"
    fi
}
