#!/bin/sh
# An agent: it counts the lines and words of a text file and names the words that are used most.
#
# The daemon starts it for each task that requires the capability `word-report`. What an agent program gets and gives:
#   standard input   the task as one line of JSON: {"id": "task_…", "title": …, "description": …, "metadata": {…}, …}
#   standard output  lines of text, shown live; a line {"progress": …} reports progress, {"result": …} the result
#   standard error   shown live, and kept as the reason if it fails
#   exit status      0: the task is completed; anything else: the attempt failed
# The result is the last {"result": …}, or else the last line. Any language does; this one needs only a POSIX system.

set -eu

task=$(cat)
# Enough for a simple string; a larger agent would use a JSON parser.
path=$(printf '%s\n' "$task" | sed -n 's/.*"metadata":{[^}]*"path":"\([^"\\]*\)".*/\1/p')

case $path in
'') echo 'say which file: --metadata '\''{"path": "README.md"}'\' >&2; exit 2 ;;
/* | .. | ../* | */.. | */../*) echo "only files below this directory: $path" >&2; exit 2 ;;
esac
[ -f "$path" ] || { echo "there is no file $path" >&2; exit 1; }

echo "reading $path"
lines=$(wc -l <"$path")
words=$(wc -w <"$path")
echo "{\"progress\": {\"lines\": $((lines))}}"

# Words of four letters or more, by how often they are used.
most=$(LC_ALL=C tr -cs 'A-Za-z' '\n' <"$path" | tr 'A-Z' 'a-z' | awk '
    length($0) > 3 { count[$0]++ }
    END { for (word in count) print count[word], word }
' | LC_ALL=C sort -k1,1nr -k2,2 | head -n 5)
printf '%s\n' "$most"

names=$(printf '%s\n' "$most" | awk 'NF == 2 { printf "%s\"%s\": %d", (n++ ? ", " : ""), $2, $1 }')
echo "{\"result\": {\"lines\": $((lines)), \"words\": $((words)), \"most\": {$names}}}"
