# Bash completion of tern: commands, their options (asked from --help), files.
_tern()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local tern=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        local commands
        commands=$("$tern" --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p')
        COMPREPLY=($(compgen -W "$commands --help --version" -- "$cur"))
        return
    fi
    case $prev in
    --type | -t)
        [ "$command" = export ] &&
            COMPREPLY=($(compgen -W "tq2_0 tq1_0 q2_0 f16 f32" -- "$cur")) && return ;;
    --format) COMPREPLY=($(compgen -W "gguf hf" -- "$cur")); return ;;
    --weights)
        COMPREPLY=($(compgen -W "autobitlinear bitlinear online master" -- "$cur")); return ;;
    --dtype) COMPREPLY=($(compgen -W "f32 bf16 f16" -- "$cur")); return ;;
    --quant) COMPREPLY=($(compgen -W "ternary none" -- "$cur")); return ;;
    --arch) COMPREPLY=($(compgen -W "bitnet llama" -- "$cur")); return ;;
    --embed) COMPREPLY=($(compgen -W "f16 q8_0 q6_k q4_0 f32" -- "$cur")); return ;;
    --tokenizer) COMPREPLY=($(compgen -f -W "byte char bpe:4096" -- "$cur")); return ;;
    --overflow) COMPREPLY=($(compgen -W "shift refuse" -- "$cur")); return ;;
    --pretok) COMPREPLY=($(compgen -W "llama3 gpt2" -- "$cur")); return ;;
    esac
    case $cur in
    -*)
        local options
        options=$("$tern" "$command" --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*')
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _tern tern
