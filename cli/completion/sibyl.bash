# Completion of sibyl for bash.
_sibyl()
{
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'features inspect run diff conform transcribe generate tokenize vad job import quantize tile bench help --help --version' -- "$current"))
        return
    fi
    case $command:$before in
    features:--preset) words='whisper librosa kaldi' ;;
    tile:--depth) words='1 2' ;;
    tile:--bands) words='80 128' ;;
    tile:--out) words='int8 int16' ;;
    tile:--fault) words='lost-lock late-dma batch overrun' ;;
    tile:--audio | tile:--output | tile:-o) COMPREPLY=($(compgen -f -- "$current")); return ;;
    tile:--batch | tile:--tiles | tile:--memory | tile:--frames | tile:--*-cost) return ;;
    features:--smooth) words='none same valid' ;;
    features:--normalize) words='peak rms' ;;
    features:--pcm) words='s16le f32le' ;;
    features:--bands) words='80 128' ;;
    features:--out | features:-o | features:--png | conform:--json | conform:--junit | conform:--manifest)
        COMPREPLY=($(compgen -f -- "$current"))
        return
        ;;
    run:--out | run:-o | diff:--against) COMPREPLY=($(compgen -d -- "$current")); return ;;
    quantize:--out | quantize:-o | import:--out | import:-o) COMPREPLY=($(compgen -f -- "$current")); return ;;
    quantize:--calibrate) COMPREPLY=($(compgen -d -- "$current")); return ;;
    quantize:--weights) words='int8 int4 f16' ;;
    transcribe:--task) words='transcribe translate' ;;
    transcribe:--format) words='txt json srt vtt tsv all' ;;
    transcribe:--model) words='digits' ;;
    transcribe:--out | transcribe:-o | job:--out | job:-o) COMPREPLY=($(compgen -d -- "$current")); return ;;
    *:--model | *:--tokenizer | *:--vad) COMPREPLY=($(compgen -f -- "$current")); return ;;
    *:--language | *:--beam | *:--best-of | *:--initial-prompt | *:--hotwords | *:--prompt | *:--tokens) return ;;
    *:--max-tokens | *:--temperature | *:--top-k | *:--top-p | *:--seed | *:--stop | *:--output | *:--max-steps) return ;;
    import:--dtype) words='f32 f16 bf16 int8' ;;
    import:--opset) words='20 21 22 23' ;;
    import:--recipe) words='whisper gpt2 rwkv llama' ;;
    quantize:--block) words='32 64 128' ;;
    bench:--dtype) words='f32 f16 int8' ;;
    features:--fixed) words='int16 int8' ;;
    run:--backend | conform:--backend | bench:--backend | quantize:--backend | diff:--a | diff:--b) words='ref' ;;
    *:--threads | *:--chunk | *:--seconds | *:--repeat | *:--monitor) return ;;
    *:--input | *:-i | *:--dim | *:--random | *:--tap | *:--memory | *:--rtol | *:--atol) return ;;
    *:--least | *:--filter | *:--jobs | *:-j | *:--passes | *:--pass-limit) return ;;
    features:*) words='--out --png --preset --bands --smooth --normalize --chunk --precise --fixed --float --pcm --threads --json --help' ;;
    inspect:*) words='--nodes --json --help' ;;
    run:*) words='--input --dim --random --out --backend --passes --pass-limit --tap --inside --profile --oracle --threads --memory --help' ;;
    diff:*) words='--input --dim --random --a --b --passes --pass-limit --against --oracle --inside --all --rtol --atol --help' ;;
    conform:*) words='--backend --passes --pass-limit --filter --jobs --rtol --atol --json --junit --manifest --verbose --help' ;;
    transcribe:*) words='--model --tokenizer --language --task --format --out --word-timestamps --beam --best-of --initial-prompt --hotwords --vad --input --picture --threads --quiet --help' ;;
    tokenize:--kind) words='gpt2 whisper tokenizer.json pieces rwkv-world' ;;
    tokenize:--model) COMPREPLY=($(compgen -f -- "$current")); return ;;
    tokenize:--n-vocab) return ;;
    tokenize:*) words='--model --kind --n-vocab --decode --ids --special --json --help' ;;
    generate:*) words='--model --tokenizer --prompt --tokens --max-tokens --temperature --top-k --top-p --seed --stop --perplexity --input --threads --json --help' ;;
    vad:*) words='--model --input --threads --json --help' ;;
    job:*) words='--input --output --out --tap --tokenizer --threads --max-steps --ports --describe --json --help' ;;
    import:*) words='--out --dtype --opset --recipe --tokenizer --check --json --help' ;;
    quantize:*) words='--out --weights --block --dynamic --least --calibrate --backend --report --json --help' ;;
    tile:*) words='plan simulate emit --batch --depth --tiles --memory --bands --out --call-cost --byte-cost --frame-cost --frames --audio --best --table --output --fault --json --help' ;;
    bench:*) words='features conv1d peak models whisper first --threads --seconds --repeat --peers --backend --passes --pass-limit --dim --fresh --claims --error --dtype --monitor --json --help' ;;
    help:*) words='features inspect run diff conform transcribe generate tokenize vad job import quantize tile bench help --help' ;;
    esac
    if [[ $words == --* && $current != -* ]]; then # what is no option is a file
        COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _sibyl sibyl
