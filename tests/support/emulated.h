/* emulated.h - rounds of tests that take a while. */
#ifndef TERN_TESTS_SUPPORT_EMULATED_H
#define TERN_TESTS_SUPPORT_EMULATED_H

/* Under an emulator everything takes thirty times as long: a tenth must do. */
#ifdef TERN_TEST_EMULATED
#define TERN_ROUNDS(n) ((n) / 10 + 1)
#else
#define TERN_ROUNDS(n) (n)
#endif

#endif /* TERN_TESTS_SUPPORT_EMULATED_H */
