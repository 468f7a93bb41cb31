# programs.cmake - tests that are scripts: lints, and the built program used as its user
# would. Each script gets the program's path in TERN, of one that makes a small model in
# TERN_TOY, and exits 77 to be skipped.

# The path of a target; when cross-compiling, of one word that runs it under the emulator.
function(tern_runnable target out)
  set(path $<TARGET_FILE:${target}>)
  if(CMAKE_CROSSCOMPILING)
    set(path ${CMAKE_CURRENT_BINARY_DIR}/run-${target})
    string(REPLACE ";" " " emulator "${CMAKE_CROSSCOMPILING_EMULATOR}")
    file(GENERATE OUTPUT ${path}
         CONTENT "#!/bin/sh\nexec ${emulator} $<TARGET_FILE:${target}> \"$@\"\n"
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
  set(${out} ${path} PARENT_SCOPE)
endfunction()
tern_runnable(tern TERN_PROGRAM)
tern_runnable(toy_model TERN_TOY_MODEL)

function(tern_script_test name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS" ${ARGN})
  add_test(NAME ${name} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/${script})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
    LABELS "${ARG_LABELS}"
    ENVIRONMENT "TERN=${TERN_PROGRAM};TERN_TOY=${TERN_TOY_MODEL};TERN_BUILD=${CMAKE_BINARY_DIR};CC=${CMAKE_C_COMPILER};CFLAGS=${TERN_SANITIZER_FLAGS};OMP_NUM_THREADS=2;OMP_WAIT_POLICY=passive;TERN_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()

tern_script_test(lint.includes lint/includes.sh)
tern_script_test(lint.format lint/format.sh)
file(GLOB program_scripts CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
     programs/test_*.sh)
foreach(script IN LISTS program_scripts)
  string(REGEX REPLACE "^programs/test_(.*)\\.sh$" "\\1" name ${script})
  if(TERN_RUNTIME_ONLY AND NOT name MATCHES "^runtime_")
    continue()
  endif()
  # A stranger's program is built with the libraries of this machine.
  if(CMAKE_CROSSCOMPILING AND name STREQUAL "runtime_install")
    continue()
  endif()
  tern_script_test(program.${name} ${script} TIMEOUT 600)
endforeach()
