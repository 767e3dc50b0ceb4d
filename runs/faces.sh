#!/bin/sh
# The shipped checkpoint, checkpoints/faces: seven stages on two CPU cores, each from the weights of the one before.
. "$(dirname "$0")/recipe.sh"
runs=${runs:-checkpoints/faces-again}
cost images '3,473 portraits, 370,384 shown'
cost time 'about 8 hours on two cores of an AMD EPYC (AVX2), beside other work; measured'
cost disk '0.3 GB of cache, 0.5 GB of runs'
cost result '128 x 128 pixels, 3.2 MB; figures in checkpoints/faces/README.md'

common='--channel_base 2048 --channel_max 96 --dim_latent 128 --n_fc 4 --device cpu'
early="$common --mini_batch_size 16 --style_mixing_prob 0.5 --balance 0.7"
late="$common --n_gpu 2 --noise False --step 5 --max_step 5 --ema_rampup 0.1"

# The lists are left unquoted: each word is a flag or its value.
# 8 and 16 pixels
train "$runs/stage1" 68016 $early --step 1 --max_step 5 --n_sample 34000 --learning_rate 0.0025 --seed 1
# 32 pixels
stage="--step 3 --max_step 4 --n_sample 24000 --learning_rate 0.0025 --seed 2"
train "$runs/stage2" 24016 --resume_from "$runs/stage1" $early $stage
# 64 faded in; with noise that layer filled its missing detail with speckles
stage="--step 3 --max_step 4 --n_sample 6000 --learning_rate 0.0025 --seed 4"
train "$runs/stage3" 20064 --resume_from "$runs/stage2" $early $stage
train "$runs/stage3" 48976 --resume_from "$runs/stage2" $early $stage --noise False --r1_gamma 0.2
# 128 faded in; D pulled ahead, so a stronger R1; then a smaller rate
stage="--step 4 --max_step 5 --n_sample 5000 --noise False --seed 5"
train "$runs/stage4" 27824 --resume_from "$runs/stage3" $early $stage --learning_rate 0.0025 --r1_gamma 0.3
train "$runs/stage4" 42096 --resume_from "$runs/stage3" $early $stage --learning_rate 0.0025 --r1_gamma 0.4 --ema_rampup 0.25
train "$runs/stage4" 59440 --resume_from "$runs/stage3" $early $stage --learning_rate 0.0012 --r1_gamma 0.4 --ema_rampup 0.1
# batches of 32 changed little
stage="--r1_gamma 0.4 --style_mixing_prob 0.3 --balance 0.7 --seed 6"
train "$runs/stage5" 11200 --resume_from "$runs/stage4" $late $stage --mini_batch_size 32 --learning_rate 0.0015
# batches of 16 cleaned backgrounds and skin
stage="--r1_gamma 0.4 --style_mixing_prob 0.3 --balance 0.7 --mini_batch_size 16 --seed 7"
train "$runs/stage6" 48880 --resume_from "$runs/stage5" $late $stage --learning_rate 0.0025
train "$runs/stage6" 54000 --resume_from "$runs/stage5" $late $stage --learning_rate 0.001
train "$runs/stage6" 62800 --resume_from "$runs/stage5" $late $stage --learning_rate 0.0004
# a weaker R1 brought the spread of mouths and jaws
stage="--style_mixing_prob 0.1 --balance 0.5 --mini_batch_size 16 --seed 8"
train "$runs/stage7" 16768 --resume_from "$runs/stage6" $late $stage --r1_gamma 0.4 --learning_rate 0.0025
train "$runs/stage7" 44496 --resume_from "$runs/stage6" $late $stage --r1_gamma 0.4 --learning_rate 0.004
train "$runs/stage7" 66160 --resume_from "$runs/stage6" $late $stage --r1_gamma 0.1 --learning_rate 0.0025
train "$runs/stage7" 95936 --resume_from "$runs/stage6" $late $stage --r1_gamma 0.03 --learning_rate 0.0025 --ada_kimg 100
