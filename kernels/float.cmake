# float.cmake - the float half of kernels/: sources, and the -m flags of each level.
# Sets TERN_FLOAT_SOURCES.
set(TERN_FLOAT_SOURCES
    float_kernels.c float_scalar.c
    rows.c rows_norm.c rows_loss.c rows_optim.c rows_matmul.c
    attention.c attention_int8.c attention_tiles.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  list(APPEND TERN_FLOAT_SOURCES float_avx2.c float_avx512.c)
  set_source_files_properties(float_avx2.c PROPERTIES
    COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  set_source_files_properties(float_avx512.c PROPERTIES
    COMPILE_OPTIONS
    "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mprefer-vector-width=512")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND TERN_FLOAT_SOURCES float_neon.c)
endif()
