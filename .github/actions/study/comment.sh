#!/usr/bin/env bash
# Puts comment.md of FOLDER into the pull request: into the comment that an earlier run left under this NAME, or a new one.
set -euo pipefail

mark="<!-- sparsity-report: $NAME -->"
known=$(gh api "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" --paginate \
  --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$known" ]; then
  gh api "repos/$REPOSITORY/issues/comments/$known" --method PATCH --field "body=@$FOLDER/comment.md" --silent
else
  gh api "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" --field "body=@$FOLDER/comment.md" --silent
fi
