#!/bin/bash
# HDF5 is loaded when a file of it is opened, and not before; without it models run, and
# what needs it says so.
. "$TERN_SOURCE/tests/programs/lib.sh"

LD_TRACE_LOADED_OBJECTS=1 "$TERN" >needs.txt
grep -q libc.so needs.txt || fail "the loader lists no libraries"
grep -i hdf5 needs.txt && fail "tern loads HDF5 as it starts"

"$TERN_TOY" toy.gguf
for i in $(seq 200); do echo "a text of $i lines, to learn from"; done >text.txt
expect 0 "" -- "$TERN" data text.txt --tokenizer char -o good.h5

# By its name, unless it stands where the system does not look.
library=$(grep -ao '[-./_a-zA-Z0-9]*libhdf5[_a-z]*\.so[.0-9]*' "$TERN" | head -n 1)
case $library in
"") fail "which library tern loads is not in the program" ;;
*/*) echo "HDF5 stands in $library: not replaced" ;;
*)
    mkdir lib
    export LD_LIBRARY_PATH=$PWD/lib
    echo "not a library" >"lib/$library"
    expect 1 "good.h5: HDF5 cannot be loaded" -- "$TERN" inspect good.h5
    expect 1 "HDF5 cannot be loaded" -- "$TERN" data text.txt --tokenizer char -o new.h5
    [ ! -e new.h5 ] || fail "a file is left where none could be written"
    expect 0 "" -- "$TERN" generate toy.gguf -p a -n 2
    echo "int x;" | "$CC" -shared -fPIC -x c - -o "lib/$library"
    expect 1 "$library is not an HDF5" -- "$TERN" inspect good.h5
    echo "int H5dont_atexit(void) { return 0; }
          int H5get_libversion(unsigned *a, unsigned *b, unsigned *c)
          { *a = 1, *b = 4, *c = 2; return 0; }" |
        "$CC" -shared -fPIC -x c - -o "lib/$library"
    expect 1 "$library is HDF5 1.4, tern was built for" -- "$TERN" inspect good.h5
    unset LD_LIBRARY_PATH
    expect 0 "" -- "$TERN" inspect good.h5
    ;;
esac
finish
