# TernInstall.cmake - `cmake --install`: program, libraries, headers, pkg-config file,
# man page, completion. Headers keep their folders under include/tern, so that
# `#include "autograd/ops.h"` works with the flags pkg-config gives.
set(libraries tern_base tern_kernels tern_formats tern_tokenizer tern_runtime)
set(folders base kernels formats data runtime)
set(TERN_PC_REQUIRES "jansson libpcre2-8")
set(TERN_PC_LIBS "-ltern_runtime -ltern_tokenizer -ltern_formats -ltern_kernels -ltern_base")
if(NOT TERN_RUNTIME_ONLY)
  list(APPEND libraries tern_gemm tern_autograd tern_layers tern_optim tern_h5file
       tern_data tern_train tern_export)
  list(APPEND folders autograd layers optim train export)
  string(PREPEND TERN_PC_LIBS "-ltern_export -ltern_train -ltern_data -ltern_h5file "
         "-ltern_layers -ltern_optim -ltern_autograd -ltern_gemm ")
  string(APPEND TERN_PC_REQUIRES " libcyaml yaml-0.1 libxxhash hdf5")
endif()

install(TARGETS tern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${libraries} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder IN LISTS folders)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tern/${folder})
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/generated/base/version.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tern/base)
configure_file(${CMAKE_SOURCE_DIR}/cmake/tern.pc.in ${CMAKE_BINARY_DIR}/tern.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/tern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_file(${CMAKE_SOURCE_DIR}/docs/tern.1.in ${CMAKE_BINARY_DIR}/tern.1 @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/tern.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_SOURCE_DIR}/cli/tern.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tern)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/
        DESTINATION ${CMAKE_INSTALL_DATADIR}/tern/configs
        FILES_MATCHING PATTERN "*.yaml")
