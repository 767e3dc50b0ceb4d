#!/bin/sh
# Seventy thousand aligned portraits, as FFHQ has them, at 512 pixels on eight GPUs of one machine.
. "$(dirname "$0")/recipe.sh"
runs=${runs:-checkpoints/ffhq512}
cost images '70,000, 12,000,000 shown'
cost time '1.4e19 operations: 24 hours of eight GPUs that sustain 20 TFLOP/s each; by arithmetic, not measured'
cost disk '73 GB of cache, 22 GB of states'
cost result '512 x 512 pixels, 121 MB'

train "$runs" 12000000 --preset celeba1024 --device cuda --n_gpu 8 --max_step 7 --mini_batch_size 32 \
    --batch_size 8:256,16:128,32:64,64:64 --n_show_grid 2500
