#!/usr/bin/env bash
# Runs a study and judges it; what a reader wants goes to the step's summary. Ends well whatever the verdict is: the
# action's last step exits with the code, after everything is kept, uploaded and shown. Told by SPEC, NAME, BASELINE
# (may be empty) and CACHE_LIMIT; GITHUB_OUTPUT and GITHUB_STEP_SUMMARY are files to append to.
set -uo pipefail

folder=".sparsity-report/$NAME"
mkdir -p "$folder"
rm -f "$folder"/results.json "$folder"/report.* "$folder"/summary.md "$folder"/checks.xml # those of a restored cache

sparsity-report run "$SPEC" --out "$folder"
code=$?

{
  printf '<!-- sparsity-report: %s -->\n' "$NAME"
  if [ -f "$folder/results.json" ]; then
    against=()
    [ -n "$BASELINE" ] && against=(--baseline "$BASELINE")
    sparsity-report check "$folder" "${against[@]}" --junit "$folder/checks.xml" >&2
    checked=$?
    [ "$code" -eq 0 ] && code=$checked
    [ -f "$folder/summary.md" ] && cat "$folder/summary.md"
    if [ -n "$BASELINE" ] && [ -f "$BASELINE" ]; then
      printf '\n## Against the baseline\n\n'
      sparsity-report diff "$BASELINE" "$folder" --format markdown
    fi
  else
    printf '**%s**: there are no results; the log says why.\n' "$NAME"
  fi
} >"$folder/whole.md"

# A comment holds 65,536 characters and a step's summary 1 MiB; what is cut ends between two characters.
{
  head -c 60000 "$folder/whole.md" |
    python -c 'import sys; sys.stdout.buffer.write(sys.stdin.buffer.read().decode(errors="ignore").encode())'
  [ "$(wc -c <"$folder/whole.md")" -gt 60000 ] && printf '…\n\nWhat is cut off here is in the artifact.\n'
  printf '\nExit code %s.\n' "$code"
} >"$folder/comment.md"
rm "$folder/whole.md"
cat "$folder/comment.md" >>"$GITHUB_STEP_SUMMARY"

sparsity-report cache "$folder" --trim "$CACHE_LIMIT"
{
  printf 'folder=%s\n' "$folder"
  printf 'exit-code=%s\n' "$code"
} >>"$GITHUB_OUTPUT"
