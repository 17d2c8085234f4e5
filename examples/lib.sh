# shellcheck shell=bash
# What the examples share: companies that ask their own nodes over HTTP, and answers that are as they must be. Sourced.
#
# Needs a running test network: `testnet/up && source .testnet/env`. Organisation N is the Nth of the network; its name is
# what `organisation N` prints.
set -euo pipefail

: "${COUNTERSIGN_TESTNET:?start a network with testnet/up, then: source .testnet/env}"
WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
# So that an example can be run again on the same network.
RUN="$(date +%s%N)"

say() { printf '\n%s\n' "$*"; }

# organisation N: its name. http N: its node's HTTP address. governance N: the key file of its governance account.
organisation() { local name="COUNTERSIGN_ORGANISATION_$1"; printf '%s' "${!name}"; }
http() { local name="COUNTERSIGN_HTTP_$1"; printf '%s' "${!name}"; }
governance() { printf '%s/accounts/%s/governance.key' "$COUNTERSIGN_TESTNET" "$(organisation "$1")"; }

# govern COMMAND...: signed by the governance accounts of a quorum.
govern() {
  countersign "$@" --account "$(organisation 1)" --key "$(governance 1)" \
    --approve "$(organisation 2)=$(governance 2)" --approve "$(organisation 3)=$(governance 3)" >"$WORK/governed" ||
    { cat "$WORK/governed"; return 1; }
}

# collection NAME FOLDER: defines it by its schema and its rule.
collection() { govern collection define --name "$1" --schema "$2/schema.json" --access "$2/access.json"; }

# attributes N JSON: what the ledger says of an organisation.
attributes() {
  printf '%s' "$2" >"$WORK/attributes.json"
  govern organisation set --target "$(organisation "$1")" --attributes "$WORK/attributes.json"
}

# key N: a new API key of organisation N, kept for `as`.
key() {
  local name
  name="$(organisation "$1")"
  countersign api-key create --folder "$COUNTERSIGN_TESTNET/nodes/$name" --account "$name/app" --read '*' --write '*' >"$WORK/key.$1"
}

# as N METHOD PATH [JSON [HEADER]]: asks the organisation's own node; the answer is in $WORK/answer, its status in $STATUS.
as() {
  local n="$1" method="$2" path="$3" body="${4:-}" header="${5:-X-Nothing: 1}"
  local type='application/json'
  STATUS="$(curl -s -o "$WORK/answer" -w '%{http_code}' -X "$method" -H "Authorization: Bearer $(<"$WORK/key.$n")" \
    -H "Content-Type: $type" -H "$header" ${body:+-d "$body"} "$(http "$n")$path")"
  printf '%-14s %-6s %s -> %s\n' "$(organisation "$n")" "$method" "$path" "$STATUS"
}

fail() {
  printf 'NOT AS IT MUST BE: %s\n' "$*" >&2
  cat "$WORK/answer" >&2
  exit 1
}

# expect STATUS [TEXT...]: what the last answer must be, and hold.
expect() {
  local status="$1" text
  shift
  [ "$STATUS" = "$status" ] || fail "the status $STATUS is not $status"
  for text in "$@"; do grep -qF -- "$text" "$WORK/answer" || fail "the answer does not hold $text"; done
}

# never TEXT: what the last answer must not hold.
never() { ! grep -qF -- "$1" "$WORK/answer" || fail "the answer holds $1"; }
