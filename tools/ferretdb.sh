#!/usr/bin/env bash
# Builds the server that the tests of state.mongodb talk to (FerretDB: MongoDB's protocol over SQLite), once for all clones on this machine, and prints the folder
# that holds it. Debian has no such server; Go's modules have this one. Needs go 1.24 or newer.
set -eu
module=github.com/FerretDB/FerretDB
version=v1.24.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/proa-servers/ferretdb-$version"
if [ ! -x "$folder/ferretdb" ]; then
  mkdir -p "$folder"
  building=$(mktemp -d "$folder/building-XXXXXX")
  trap 'rm -rf "$building"' EXIT
  export GOTOOLCHAIN=local CGO_ENABLED=0
  cd "$building"
  source=$(go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp -R "$source" source
  chmod -R u+w source
  # A release has its version in a file that is no part of the module; the command does not start without it.
  echo "$version" > source/build/version/version.txt
  (cd source && go build -trimpath -buildvcs=false -tags ferretdb_no_postgresql -o ../ferretdb ./cmd/ferretdb) >&2
  mv ferretdb "$folder/ferretdb"
  cd /
fi
echo "$folder"
