#!/usr/bin/env bash
# Installs what strikevote needs from the system, if it is missing: the PostgreSQL
# server's programs and, for "test", a C compiler (for Go's race detector), Node (for
# the scripts of the voter's page) and Chromium. "screenshots" adds the signs of all
# languages.
#
#   deploy/dependencies.sh              what the program needs
#   deploy/dependencies.sh test         what its tests need, too
#   deploy/dependencies.sh screenshots  what pictures of every page need, too
#
# Says nothing and needs neither root nor network when everything is there. It
# starts no database server: strikevote runs its own.
set -euo pipefail

oldest=15 # PostgreSQL; the program refuses an older one

have_postgres() {
  local bin version
  for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
    version=${bin%/bin}
    version=${version##*[/-]}
    if [[ -x $bin/initdb && -x $bin/postgres && $version =~ ^[0-9]+$ ]] && ((version >= oldest)); then
      return 0
    fi
  done
  version=$(postgres --version 2>/dev/null | grep -oE '[0-9]+' | head -n 1) || true
  command -v initdb >/dev/null && [[ -n $version ]] && ((version >= oldest))
}

missing=()
have_postgres || missing+=(postgresql)
if [[ ${1-} == test || ${1-} == screenshots ]]; then
  command -v cc >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  # Runs the tests of the voter's scripts. Only "make generate" needs npm, too.
  command -v node >/dev/null || missing+=(nodejs)
  command -v chromium >/dev/null || missing+=(chromium)
fi
if [[ ${1-} == screenshots ]]; then
  [[ -n $(fc-list :lang=ko 2>/dev/null) ]] || missing+=(fontconfig fonts-noto-cjk)
fi
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]}. Install them with this system's package manager;" \
    "PostgreSQL must be version $oldest or newer." >&2
  exit 1
fi
root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "missing: ${missing[*]}. As root: apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { "${root[@]}" "$@" >>"$log" 2>&1; }

# Lists of packages may be absent or old, so a first try may fail.
install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install "$@")
  : >"$log"
  if quietly "${apt[@]}"; then
    return 0
  fi
  if ! quietly apt-get update || ! quietly "${apt[@]}"; then
    cat "$log" >&2
    echo "could not install: $*" >&2
    exit 1
  fi
}

echo "installing: ${missing[*]}" >&2
if [[ " ${missing[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
  # The server's package creates and starts a cluster of its own unless it is
  # told not to before it is installed. Who had the file keeps what it says.
  install postgresql-common
  quietly sed -i -E 's/^#?[[:space:]]*create_main_cluster[[:space:]]*=.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf ||
    echo "a PostgreSQL server of the system may start, too; strikevote does not use it" >&2
fi
install "${missing[@]}"
if ! have_postgres; then
  echo "the PostgreSQL that this system offers is older than version $oldest" >&2
  exit 1
fi
