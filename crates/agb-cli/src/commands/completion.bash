
# Bash splits words at colons. Here a colon is part of NAME:/path, so this joins the words again, and removes the part before
# the colon from the candidates.
_agb() {
    local -a joined=()
    local word prefix at current=0
    for ((at = 0; at < ${#COMP_WORDS[@]}; at++)); do
        word=${COMP_WORDS[at]}
        if ((${#joined[@]} > 1)) && [[ $word == :* || ${joined[-1]} == *: ]]; then
            joined[-1]+=$word
        else
            joined+=("$word")
        fi
        ((at == COMP_CWORD)) && current=$((${#joined[@]} - 1))
    done
    local -a COMP_WORDS=("${joined[@]}")
    local COMP_CWORD=$current
    word=${COMP_WORDS[COMP_CWORD]}
    _clap_complete_agb "$1" "$word" "$3"
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        prefix=${word%"${word##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
    for at in "${!COMPREPLY[@]}"; do
        [[ ${COMPREPLY[at]} == *[[:space:]\$\`\"\'\\\;\&\|\<\>\(\)\{\}\[\]\*\?\!\#]* ]] && printf -v "COMPREPLY[$at]" %q "${COMPREPLY[at]}"
    done
    return 0
}
if ((BASH_VERSINFO[0] > 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4))); then
    complete -o nospace -o bashdefault -F _agb agb
fi
