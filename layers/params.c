/* params.c - the list of a model's parameters: one owner, one order. */
#include "layers/layers.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"

static bool grow(tern_params *list)
{
    const size_t capacity = list->capacity ? 2 * list->capacity : 16;
    tern_param **items = realloc(list->items, capacity * sizeof(tern_param *));
    if (!items) return false;
    list->items = items;
    list->capacity = capacity;
    return true;
}

tern_param *tern_params_add(tern_params *list, const char *name, int64_t rows,
                            int64_t cols, tern_form form)
{
    if (list->count == list->capacity && !grow(list)) return NULL;
    tern_param *p = tern_param_new(name, rows, cols, form);
    if (p) list->items[list->count++] = p;
    return p;
}

void tern_params_free(tern_params *list)
{
    for (size_t i = 0; i < list->count; i++) tern_param_free(list->items[i]);
    free(list->items);
    *list = (tern_params){0};
}

tern_param *tern_params_find(const tern_params *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i]->name, name) == 0) return list->items[i];
    return NULL;
}

tern_status tern_params_refresh(tern_params *list)
{
    for (size_t i = 0; i < list->count; i++)
        TERN_TRY(tern_param_refresh(list->items[i]));
    return TERN_OK;
}

tern_status tern_params_set_share(tern_params *list, float share)
{
    for (size_t i = 0; i < list->count; i++)
        TERN_TRY(tern_param_set_share(list->items[i], share));
    return TERN_OK;
}

void tern_params_zero_grad(tern_params *list)
{
#pragma omp parallel for schedule(dynamic) num_threads(tern_threads())
    for (size_t i = 0; i < list->count; i++) tern_param_zero_grad(list->items[i]);
}

int64_t tern_params_elements(const tern_params *list)
{
    int64_t n = 0;
    for (size_t i = 0; i < list->count; i++)
        n += list->items[i]->rows * list->items[i]->cols;
    return n;
}
