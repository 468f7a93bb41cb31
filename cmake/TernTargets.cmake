# TernTargets.cmake - how tern's targets are compiled: one place for flags.

# No -ffast-math and no contraction: float kernels say fmaf where they mean it, and
# give the same bits at every level.
add_library(tern_flags INTERFACE)
target_compile_features(tern_flags INTERFACE c_std_11)
target_include_directories(tern_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(tern_flags INTERFACE
  -ffp-contract=off -fno-math-errno -fno-trapping-math
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion
  -Wstrict-prototypes -Wmissing-prototypes
  # "On failure outputs are untouched" is a pattern that gcc cannot see through.
  $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<BOOL:${TERN_WERROR}>:-Werror>)
set(TERN_SANITIZER_FLAGS "")
if(TERN_SANITIZE STREQUAL "thread")
  set(TERN_SANITIZER_FLAGS -fsanitize=thread)
elseif(TERN_SANITIZE)
  # At -O1: clang needs minutes to optimise unrolled kernels around every check.
  string(REPLACE "-O2" "-O1" CMAKE_C_FLAGS_RELWITHDEBINFO
         "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
  target_compile_options(tern_flags INTERFACE
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g)
  set(TERN_SANITIZER_FLAGS -fsanitize=address,undefined)
endif()
target_compile_options(tern_flags INTERFACE ${TERN_SANITIZER_FLAGS})
target_link_options(tern_flags INTERFACE ${TERN_SANITIZER_FLAGS})
# A static program holds what it calls, and no more; code that is there to be compared
# with is compiled small.
if(TERN_STATIC)
  target_compile_options(tern_flags INTERFACE -ffunction-sections -fdata-sections)
endif()
# Asserts say what the programmer promised: they stay on in every build the tests see.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

# tern_library(name SOURCES a.c b.c LINKS lib ...) - the library of one folder.
function(tern_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC tern_flags ${ARG_LINKS})
endfunction()

# tern_program(name SOURCES a.c LINKS lib ...) - an executable.
function(tern_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES C_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE tern_flags ${ARG_LINKS})
  if(TERN_STATIC)
    target_link_options(${name} PRIVATE -static -Wl,--gc-sections)
  endif()
endfunction()
