# Completion of sibyl for fish.
function __sibyl_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"
end

complete -c sibyl -n __fish_use_subcommand -f -a features -d 'log-mel features of recordings'
complete -c sibyl -n __fish_use_subcommand -f -a bench -d 'measure features, convolutions or the machine'
complete -c sibyl -n __fish_use_subcommand -f -a help -d 'explain a command'
complete -c sibyl -n __fish_use_subcommand -l version -d 'show the version'
complete -c sibyl -s h -l help -d 'show help'
complete -c sibyl -n '__sibyl_command help' -f -a 'features bench help'

complete -c sibyl -n '__sibyl_command features' -s o -l out -r -d 'where the array goes'
complete -c sibyl -n '__sibyl_command features' -l png -r -d 'write a labelled picture too'
complete -c sibyl -n '__sibyl_command features' -l preset -x -a 'whisper librosa kaldi' -d 'whose front end'
complete -c sibyl -n '__sibyl_command features' -l bands -x -a '80 128' -d 'mel bands'
complete -c sibyl -n '__sibyl_command features' -l smooth -x -a 'none same valid' -d 'average 3 x 3'
complete -c sibyl -n '__sibyl_command features' -l normalize -x -a 'peak rms' -d 'scale the recording first'
complete -c sibyl -n '__sibyl_command features' -l chunk -x -d 'cut into chunks of so many seconds'
complete -c sibyl -n '__sibyl_command features' -l precise -d 'compute in double'
complete -c sibyl -n '__sibyl_command features' -l float -d 'do not round decoded samples to 16 bit'
complete -c sibyl -n '__sibyl_command features' -l pcm -x -a 's16le f32le' -d 'format on standard input'
complete -c sibyl -n '__sibyl_command features' -l threads -x -d 'threads to use'
complete -c sibyl -n '__sibyl_command features' -l json -d 'print one JSON document'

complete -c sibyl -n '__sibyl_command bench' -f -a 'features conv1d peak'
complete -c sibyl -n '__sibyl_command bench' -l threads -x -d 'threads of the figures with several'
complete -c sibyl -n '__sibyl_command bench' -l seconds -x -d 'measure for about so long'
complete -c sibyl -n '__sibyl_command bench' -l repeat -x -d 'measure so many rounds'
complete -c sibyl -n '__sibyl_command bench' -l peers -d 'measure others too'
complete -c sibyl -n '__sibyl_command bench' -l monitor -x -d 'read CPU and memory'
complete -c sibyl -n '__sibyl_command bench' -l json -d 'print one JSON document'
