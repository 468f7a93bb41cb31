# dataset.cmake - tokens on disk and the way to them: what needs HDF5 and xxHash.
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
pkg_check_modules(HDF5 IMPORTED_TARGET GLOBAL hdf5)
add_library(tern_hdf5 INTERFACE) # linked by tests only
if(HDF5_FOUND)
  target_link_libraries(tern_hdf5 INTERFACE PkgConfig::HDF5)
  list(GET HDF5_LINK_LIBRARIES 0 TERN_HDF5_LIBRARY)
else()
  find_package(HDF5 REQUIRED COMPONENTS C)
  target_include_directories(tern_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
  target_compile_definitions(tern_hdf5 INTERFACE ${HDF5_C_DEFINITIONS})
  target_link_libraries(tern_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
  list(GET HDF5_C_LIBRARIES 0 TERN_HDF5_LIBRARY)
endif()

# tern itself loads it when it opens a file (h5lib.h): by its soname from where the
# system keeps libraries, by its path from elsewhere.
if(TARGET ${TERN_HDF5_LIBRARY})
  get_target_property(TERN_HDF5_LIBRARY ${TERN_HDF5_LIBRARY} LOCATION)
endif()
execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${TERN_HDF5_LIBRARY} OUTPUT_VARIABLE dynamic
                ERROR_QUIET)
if(NOT dynamic MATCHES "SONAME +([^\n]+)")
  message(FATAL_ERROR "tern loads HDF5 while it runs, for which it must be a shared "
          "library, not ${TERN_HDF5_LIBRARY}")
endif()
set(soname ${CMAKE_MATCH_1})
get_filename_component(real ${TERN_HDF5_LIBRARY} REALPATH)
get_filename_component(directory ${real} DIRECTORY)
if(directory IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  set(TERN_HDF5_LIBRARY ${soname})
else()
  set(TERN_HDF5_LIBRARY ${directory}/${soname})
endif()
target_compile_definitions(tern_hdf5 INTERFACE TERN_HDF5_LIBRARY="${TERN_HDF5_LIBRARY}")

# Also under the training checkpoints.
tern_library(tern_h5file
  SOURCES h5file.c h5lib.c h5seal.c
  LINKS tern_base PkgConfig::XXHASH ${CMAKE_DL_LIBS})
target_include_directories(tern_h5file SYSTEM PRIVATE
  $<TARGET_PROPERTY:tern_hdf5,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(tern_h5file PRIVATE
  $<TARGET_PROPERTY:tern_hdf5,INTERFACE_COMPILE_DEFINITIONS>)

tern_library(tern_data
  SOURCES corpus.c dataset.c dataset_build.c loader.c
          tales.c tales_grammar.c tales_more.c tales_phrases.c tales_plots.c tales_words.c
  LINKS tern_tokenizer tern_base tern_h5file PkgConfig::XXHASH PkgConfig::JANSSON)
