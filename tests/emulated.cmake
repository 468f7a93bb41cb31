# emulated.cmake - the AVX-512 kernels, tested on CPUs that lack AVX-512.
#
# Their sources are compiled a second time with support/avx512_emulated.h before them.
# These objects stand before the library on the link line, so what they define is not
# taken from it; a level_best() beside them says that the CPU has every level. They are
# linked into tests, never into what is installed. The whole build has the same kernels
# as the runtime alone, so once is enough.
if(TERN_RUNTIME_ONLY)
  return()
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  return()
endif()
find_path(TERN_SIMDE_INCLUDE simde/x86/avx512.h)
mark_as_advanced(TERN_SIMDE_INCLUDE)
if(NOT TERN_SIMDE_INCLUDE)
  add_test(NAME emulated.kernels COMMAND sh -c
    "echo 'skipped: SIMDe is not installed (Debian: libsimde-dev)'; exit 77")
  set_tests_properties(emulated.kernels PROPERTIES SKIP_RETURN_CODE 77)
  return()
endif()

# Without unrolling, as under a sanitizer: two registers of 256 bits for each of 512
# would fill no CPU's, and gcc takes a minute over them.
set(TERN_EMULATE -mavx2 -mfma -mf16c -Wno-psabi -DTERN_SANITIZED=1
    -include ${CMAKE_CURRENT_SOURCE_DIR}/support/avx512_emulated.h)
if(TERN_SANITIZE)
  list(APPEND TERN_EMULATE -fno-sanitize=undefined)
endif()
set(sources)
foreach(name avx512vnni decode_avx512 float_avx512 grad16_avx512)
  set_source_files_properties(${CMAKE_SOURCE_DIR}/kernels/${name}.c PROPERTIES
    COMPILE_OPTIONS "${TERN_EMULATE}"
    OBJECT_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/support/avx512_emulated.h)
  list(APPEND sources ${CMAKE_SOURCE_DIR}/kernels/${name}.c)
endforeach()
set_source_files_properties(${CMAKE_SOURCE_DIR}/kernels/cpu.c PROPERTIES
  COMPILE_DEFINITIONS tern_level_best=tern_level_of_cpu)
add_library(tern_avx512_emulated OBJECT ${sources} ${CMAKE_SOURCE_DIR}/kernels/cpu.c
            support/level_emulated.c)
set_target_properties(tern_avx512_emulated PROPERTIES C_EXTENSIONS OFF)
target_include_directories(tern_avx512_emulated SYSTEM PRIVATE ${TERN_SIMDE_INCLUDE})
target_link_libraries(tern_avx512_emulated PRIVATE tern_flags tern_base
                      OpenMP::OpenMP_C)

# A program from the objects of another one, with emulated kernels.
function(tern_emulated name original)
  tern_program(${name} SOURCES $<TARGET_OBJECTS:${original}>
               $<TARGET_OBJECTS:tern_avx512_emulated>
               LINKS $<TARGET_PROPERTY:${original},LINK_LIBRARIES>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
endfunction()

function(tern_emulated_test name)
  add_test(NAME emulated.${name} COMMAND test_emulated_${name})
  set_tests_properties(emulated.${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77
                       ENVIRONMENT "OMP_NUM_THREADS=2;OMP_WAIT_POLICY=passive")
endfunction()

# The emulation itself, against what Intel says of each instruction.
set_source_files_properties(support/test_avx512_emulated.c PROPERTIES COMPILE_OPTIONS
  "-O1;-Wno-conversion;-Wno-missing-prototypes;-Wno-strict-prototypes;${TERN_EMULATE}")
tern_program(test_emulated_instructions SOURCES support/test_avx512_emulated.c
             $<TARGET_OBJECTS:tern_avx512_emulated>
             LINKS tern_test_support tern_kernels)
target_include_directories(test_emulated_instructions SYSTEM PRIVATE
                           ${TERN_SIMDE_INCLUDE})
tern_emulated_test(instructions)

# What runs every level runs this one too.
foreach(name attention attention_int8 decode_kernels float_levels grad16 head_q8 rows rows_loss rows_matmul rows_norm
        rows_optim ternary ternary_matmul ternary_rows)
  tern_emulated(test_emulated_${name} test_kernels_${name})
  tern_emulated_test(${name})
endforeach()
