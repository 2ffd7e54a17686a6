#!/bin/sh
# lint.sh - the rules of the house that the compiler cannot see.
#
# Each rule below is a function that prints one line per offence and nothing
# when all is well.  `make lint` builds first: some rules read the objects.

cd "$(dirname "$0")/.." || exit 1
B=build
CC=${CC:-cc}
CFLAGS="-std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags libuv libsodium libseccomp libssl libmicrohttpd)"
TMP=$B/lint
mkdir -p $TMP

FUNCTION_LINES=60
FILE_LINES=800
passed=0
failed=0

sources()
{
	for d in "$@"; do
		find "$d" -name '*.[ch]' 2>/dev/null
	done | sort
}

# rule NAME: runs the function of that name; its output is the offences.
rule()
{
	if $1 >$TMP/$1.out 2>&1 && [ ! -s $TMP/$1.out ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "lint: FAIL $1"
		sed 's/^/lint:   /' $TMP/$1.out
	fi
}

# slab/ and proto/ know their own folder and libc; nobody else.
floors_include_themselves()
{
	grep -n '^#include "' $(sources slab) | grep -v '"slab/'
	grep -n '^#include "' $(sources proto) | grep -v '"proto/'
	# Of the system: no sockets, no clocks, no event loop.  Hashing and
	# threads belong to the slab alone.
	grep -nE '^#include <(uv|sodium|sys/socket|sys/un|sys/epoll|sys/time|netinet|arpa|netdb|poll|time)[./a-z]*h>' \
	    $(sources slab proto)
	grep -nE '^#include <(pthread|xxhash|sys/mman|malloc)\.h>' $(sources proto)
	return 0
}

# Time, randomness, sockets and settings arrive as arguments; proto/ does not
# even allocate.  The objects tell, whatever the includes say.
floors_call_no_system()
{
	[ -d $B/slab ] || { echo "no objects: run make first"; return 1; }
	nm -u -A $B/slab/*.o | grep -E ' (time|clock_gettime|gettimeofday|getenv|socket|send|recv|getrandom|rand|random|printf|puts|exit|uv_[a-z_]*)$'
	nm -u -A $B/proto/*.o | grep -E ' (malloc|calloc|realloc|free|time|clock_gettime|gettimeofday|getenv|socket|pthread_[a-z_]*|rand|random|printf|puts|exit|uv_[a-z_]*)$'
	return 0
}

# Within slab/ and within proto/ no two objects need each other at link time.
floors_have_no_cycles()
{
	for d in slab proto; do
		nm -A $B/$d/*.o | awk '
		{
			split($1, a, ":"); f = a[1]; t = $(NF - 1); s = $NF
			if (t ~ /^[TDBRVW]$/) home[s] = f
			else if (t == "U") { n++; from[n] = f; sym[n] = s }
		}
		END {
			for (i = 1; i <= n; i++)
				if (sym[i] in home && home[sym[i]] != from[i])
					print from[i], home[sym[i]]
		}' | sort -u | { tsort >/dev/null; } 2>&1
	done
	return 0
}

# Every header compiles by itself.
headers_stand_alone()
{
	for h in $(sources slab proto server passwd | grep 'h$'); do
		echo "#include \"$h\"" | $CC $CFLAGS -Wall -Wextra -Werror \
		    -fsyntax-only -x c - || echo "$h does not stand alone"
	done
}

# Every header says who owns what, who may call, what fails, what it costs.
headers_are_manuals()
{
	for h in $(sources slab proto server passwd | grep 'h$'); do
		for w in Owns Threads Fails Cost; do
			grep -q "^ \* $w:" "$h" || echo "$h: no line $w:"
		done
	done
}

# A .c file begins by saying what it is.
sources_say_what_they_are()
{
	for c in $(sources slab proto server passwd bench tests | grep 'c$'); do
		head -n 2 "$c" | grep -q "${c##*/} - " ||
		    echo "$c: the first line is not /* ${c##*/} - ... */"
	done
}

# A function's body stands between { and } in column 0.
functions_are_short()
{
	awk -v most=$FUNCTION_LINES '
	FNR == 1 { inside = 0 }
	/^[a-z_][a-zA-Z0-9_]*\(/ { name = $0; sub(/\(.*/, "", name) }
	/^{/ { inside = 1; from = FNR }
	/^}/ {
		if (inside && FNR - from - 1 > most)
			printf "%s:%d: %s() has %d lines, %d at most\n",
			    FILENAME, from, name, FNR - from - 1, most
		inside = 0
	}' $(sources slab proto server passwd)
}

files_are_short()
{
	for f in $(sources slab proto server passwd bench tests); do
		n=$(wc -l <"$f")
		[ "$n" -le $FILE_LINES ] ||
		    echo "$f has $n lines, $FILE_LINES at most"
	done
}

# Asserts ship.
asserts_ship()
{
	grep -n 'NDEBUG' $(sources slab proto server passwd tests bench) Makefile
	return 0
}

# Functions without bounds, and those that are not safe with threads.
no_unsafe_functions()
{
	grep -nE '(^|[^a-z_])(strcpy|strcat|sprintf|vsprintf|gets|strtok|strncpy|strncat|atoi|atol|alloca|localtime|gmtime|ctime|asctime)\(' \
	    $(sources slab proto server passwd)
	return 0
}

# Lines fit 80 columns (tabs are 8), tabs indent, nothing trails.
lines_fit()
{
	for f in $(sources slab proto server passwd tests); do
		expand "$f" | LC_ALL=C.UTF-8 grep -nE '^.{81,}' |
		    cut -d: -f1 | sed "s|^|$f: more than 80 columns in line |"
		grep -nE '[[:space:]]+$' "$f" | cut -d: -f1 |
		    sed "s|^|$f: white space at the end of line |"
		grep -nE '^ {8}' "$f" | cut -d: -f1 |
		    sed "s|^|$f: blanks instead of a tab in line |"
	done
}

# What gcc lets pass by default.
compiles_without_warnings()
{
	for c in $(sources slab proto server passwd | grep 'c$'); do
		$CC $CFLAGS -Wall -Wextra -Wstrict-prototypes \
		    -Wmissing-prototypes -Werror -fsyntax-only "$c" 2>&1
	done
}

# Nothing that a machine or its user left behind.
no_strangers()
{
	git ls-files 2>/dev/null | grep -E '\.(o|a|orig|rej|swp|pyc|log)$|~$'
	return 0
}

# The manual names every option, in the words of the table of options.
manual_names_options()
{
	mandoc -T ascii man/slabd.1 | sed 's/.\x08//g' >$TMP/slabd.txt
	$B/slabd --list-options >$TMP/options
	[ -s $TMP/options ] || echo "slabd --list-options names none"
	while read -r letter name; do
		if [ "$letter" = o ]; then
			grep -qE "(^|[^a-z_])$name([^a-z_]|\$)" $TMP/slabd.txt ||
			    echo "man/slabd.1: nothing of -o $name"
			continue
		fi
		[ "$letter" = - ] ||
		    grep -qE "(^|[^-a-zA-Z])-$letter([^a-zA-Z]|\$)" $TMP/slabd.txt ||
		    echo "man/slabd.1: nothing of -$letter"
		[ "$name" = - ] || grep -qE -- "--$name([^-a-z]|\$)" $TMP/slabd.txt ||
		    echo "man/slabd.1: nothing of --$name"
	done <$TMP/options
}

# ... and every command, in the words of the protocols' own page.
manual_names_commands()
{
	mandoc -T ascii man/slabd-protocol.7 | sed 's/.\x08//g' >$TMP/all.txt
	sed -n 's/^[[:space:]]*X([A-Z_]*, "\([a-z_]*\)", [A-Z]*, [A-Z]*, .*/\1/p' \
	    proto/message.h >$TMP/commands
	[ -s $TMP/commands ] || echo "no commands found in proto/message.h"
	while read -r w; do
		grep -qE "(^|[^a-z_])$w([^a-z_]|\$)" $TMP/all.txt ||
		    echo "man/slabd-protocol.7: nothing of the command $w"
	done <$TMP/commands
}

manual_is_clean()
{
	for m in man/*.[1-9]; do
		mandoc -T lint -W warning "$m"
	done
}

# The README's map shows the territory.
readme_names_files()
{
	grep -oE '`(slab|proto|server|tests|bench|man)/[A-Za-z0-9_./-]*' README.md |
	    tr -d '`' | sort -u | while read -r f; do
		[ -e "$f" ] || echo "README.md: there is no $f"
	done
	# In the rows of folders, `name` is a unit there: name.c or name.h.
	for d in slab proto server; do
		sed -n "s,^| .$d/. | ,,p" README.md | grep -oE '`[a-z_]+(\.[ch])?`' |
		    tr -d '`' | while read -r u; do
			[ -e "$d/$u" ] || [ -e "$d/$u.c" ] ||
			    echo "README.md: there is no $d/$u.c"
		done
	done
}

# What the compiler and the linker were asked for is in the programs.
programs_are_hardened()
{
	for p in $B/slabd $B/slabd-passwd; do
		readelf -hldnW $p >$TMP/elf
		nm -D $p >$TMP/symbols
		grep -q 'Type: *DYN' $TMP/elf && grep -q 'Flags:.* PIE' $TMP/elf ||
		    echo "$p: not position independent"
		grep -q GNU_RELRO $TMP/elf && grep -q 'Flags: NOW' $TMP/elf ||
		    echo "$p: relocations stay writable"
		grep -q 'GNU_STACK.* RW ' $TMP/elf ||
		    echo "$p: the stack is executable"
		grep -q __stack_chk_fail $TMP/symbols ||
		    echo "$p: no stack protector"
		grep -q '__v\{0,1\}snprintf_chk' $TMP/symbols ||
		    echo "$p: no _FORTIFY_SOURCE"
		case `uname -m` in x86_64)
			grep -q 'x86 feature: IBT, SHSTK' $TMP/elf ||
			    echo "$p: no control-flow protection"
		esac
	done
	# The mark of the whole is forced; the parts must deserve it.
	case `uname -m` in x86_64)
		for o in $B/slab/*.o $B/proto/*.o $B/server/*.o $B/passwd/*.o; do
			readelf -nW $o | grep -q 'x86 feature: IBT, SHSTK' ||
			    echo "$o: no control-flow protection"
		done
	esac
}

rule floors_include_themselves
rule floors_call_no_system
rule floors_have_no_cycles
rule headers_stand_alone
rule headers_are_manuals
rule sources_say_what_they_are
rule functions_are_short
rule files_are_short
rule asserts_ship
rule no_unsafe_functions
rule lines_fit
rule compiles_without_warnings
rule no_strangers
rule manual_names_options
rule manual_names_commands
rule manual_is_clean
rule readme_names_files
rule programs_are_hardened

echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
