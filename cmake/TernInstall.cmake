# TernInstall.cmake - `cmake --install`: program, libraries, headers, pkg-config files,
# man page, completion.
#
#   tern-runtime.pc  <tern/runtime.h>, which needs no more than base/status.h beside it
#   tern.pc          all the rest; headers keep their folders under include/tern, so that
#                    `#include "autograd/ops.h"` works with the flags it gives
#
# Where the tree stands is seen from the .pc files, so it may be moved.
set(libraries tern_base tern_kernels tern_formats tern_tokenizer tern_runtime)
set(folders base kernels formats data runtime)
set(packages tern-runtime)
if(NOT TERN_RUNTIME_ONLY)
  list(APPEND libraries tern_gemm tern_autograd tern_layers tern_optim tern_h5file
       tern_data tern_train tern_export)
  list(APPEND folders autograd layers optim train export)
  list(APPEND packages tern)
endif()

install(TARGETS tern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${libraries} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder IN LISTS folders)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  list(FILTER headers EXCLUDE REGEX "/h5lib.h$") # needs hdf5.h
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tern/${folder})
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/generated/base/version.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tern/base)
install(FILES ${CMAKE_SOURCE_DIR}/runtime/runtime.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tern)
file(RELATIVE_PATH TERN_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
     ${CMAKE_INSTALL_PREFIX})
foreach(package IN LISTS packages)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/${package}.pc.in
                 ${CMAKE_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${package}.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
configure_file(${CMAKE_SOURCE_DIR}/docs/tern.1.in ${CMAKE_BINARY_DIR}/tern.1 @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/tern.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_SOURCE_DIR}/cli/tern.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tern)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/
        DESTINATION ${CMAKE_INSTALL_DATADIR}/tern/configs
        FILES_MATCHING PATTERN "*.yaml")
