# dataset.cmake - tokens on disk and the way to them: what needs HDF5 and xxHash.
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
pkg_check_modules(HDF5 IMPORTED_TARGET GLOBAL hdf5)
add_library(tern_hdf5 INTERFACE)
if(HDF5_FOUND)
  target_link_libraries(tern_hdf5 INTERFACE PkgConfig::HDF5)
else()
  find_package(HDF5 REQUIRED COMPONENTS C)
  target_include_directories(tern_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
  target_compile_definitions(tern_hdf5 INTERFACE ${HDF5_C_DEFINITIONS})
  target_link_libraries(tern_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
endif()

# Also under the training checkpoints.
tern_library(tern_h5file
  SOURCES h5file.c h5seal.c
  LINKS tern_base tern_hdf5 PkgConfig::XXHASH)

tern_library(tern_data
  SOURCES corpus.c dataset.c dataset_build.c loader.c
          tales.c tales_grammar.c tales_more.c tales_phrases.c tales_plots.c tales_words.c
  LINKS tern_tokenizer tern_base tern_h5file PkgConfig::XXHASH PkgConfig::JANSSON)
