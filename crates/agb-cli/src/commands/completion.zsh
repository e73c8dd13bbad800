#compdef agb

# Adds no space after folders, NAME:/ and other candidates that end with a slash or an equals sign.
_agb() {
    local -a lines open closed open_shown closed_shown
    local line value shown
    lines=("${(@f)$(
        _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) COMPLETE=zsh \
            agb -- "${(Q)words[@]}" 2>/dev/null
    )}")
    for line in $lines; do
        # A colon separates the description, and is escaped in a candidate.
        value=${line//\\:/$'\001'}
        shown=${value#*:}
        [[ $value == *:* ]] || shown=
        value=${${value%%:*}//$'\001'/:}
        value=${value//\\\\/\\}
        shown="$value${shown:+  -- ${shown//$'\001'/:}}"
        if [[ $value == *[/=] ]]; then
            open+=("$value") open_shown+=("$shown")
        else
            closed+=("$value") closed_shown+=("$shown")
        fi
    done
    (( $#open )) && compadd -l -S '' -d open_shown -a open
    (( $#closed )) && compadd -l -d closed_shown -a closed
    (( $#open + $#closed ))
}

if [[ $funcstack[1] == _agb ]]; then
    _agb "$@"
else
    compdef _agb agb
fi
