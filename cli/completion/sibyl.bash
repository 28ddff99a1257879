# Completion of sibyl for bash.
_sibyl()
{
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'features bench help --help --version' -- "$current"))
        return
    fi
    case $command:$before in
    features:--preset) words='whisper librosa kaldi' ;;
    features:--smooth) words='none same valid' ;;
    features:--normalize) words='peak rms' ;;
    features:--pcm) words='s16le f32le' ;;
    features:--bands) words='80 128' ;;
    features:--out | features:-o | features:--png) COMPREPLY=($(compgen -f -- "$current")); return ;;
    *:--threads | *:--chunk | *:--seconds | *:--repeat | *:--monitor) return ;;
    features:*)
        if [[ $current != -* ]]; then
            COMPREPLY=($(compgen -f -- "$current"))
            return
        fi
        words='--out --png --preset --bands --smooth --normalize --chunk --precise --float --pcm --threads --json --help'
        ;;
    bench:*) words='features conv1d peak --threads --seconds --repeat --peers --monitor --json --help' ;;
    help:*) words='features bench help --help' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _sibyl sibyl
