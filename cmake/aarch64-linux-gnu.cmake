# aarch64-linux-gnu.cmake - a toolchain file: build for AArch64 Linux on another machine,
# with Debian's cross compiler (gcc-aarch64-linux-gnu), and test under qemu-user:
#
#   scripts/aarch64-sysroot.sh SYSROOT
#   cmake -B build-aarch64 --toolchain cmake/aarch64-linux-gnu.cmake \
#       -DTERN_SYSROOT=SYSROOT -DTERN_RUNTIME_ONLY=ON
#
# The sysroot holds AArch64's libraries: libc, jansson, pcre2, for the tests Criterion.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

# CMake reads this file again for each of its trials: they need the variable too.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TERN_SYSROOT)
if(NOT TERN_SYSROOT OR NOT IS_DIRECTORY "${TERN_SYSROOT}/usr/lib/aarch64-linux-gnu")
  message(FATAL_ERROR "TERN_SYSROOT is \"${TERN_SYSROOT}\": should be a folder made by "
                      "scripts/aarch64-sysroot.sh")
endif()
get_filename_component(sysroot "${TERN_SYSROOT}" ABSOLUTE)
set(CMAKE_SYSROOT ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${sysroot})
set(ENV{PKG_CONFIG_LIBDIR}
    ${sysroot}/usr/lib/aarch64-linux-gnu/pkgconfig:${sysroot}/usr/share/pkgconfig)

find_program(TERN_QEMU qemu-aarch64)
set(CMAKE_CROSSCOMPILING_EMULATOR ${TERN_QEMU};-cpu;max;-L;${sysroot})
