#!/usr/bin/env bash
# Puts comment.md of FOLDER into the pull request: into the comment that an earlier run left under this NAME, or a new one.
set -euo pipefail

export MARK="<!-- sparsity-report: $NAME -->"
known=$(gh api "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" --paginate \
  --jq '.[] | select(.body | startswith(env.MARK)) | .id' | sed -n 1p)
if [ -n "$known" ]; then
  gh api "repos/$REPOSITORY/issues/comments/$known" --method PATCH --field "body=@$FOLDER/comment.md" --silent
else
  gh api "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" --field "body=@$FOLDER/comment.md" --silent
fi
