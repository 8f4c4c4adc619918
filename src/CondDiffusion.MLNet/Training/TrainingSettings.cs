using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>What the training loop needs to know of the options, already checked.</summary>
/// <param name="Epochs">Passes over the images.</param>
/// <param name="BatchSize">Images in a step.</param>
/// <param name="LearningRate">Adam's.</param>
/// <param name="MovingAverageDecay">Of the averaged weights that the training ends with; 0 for the last weights.</param>
/// <param name="Type">Of the convolutions and activations.</param>
/// <param name="Seed">Decides the images' order and the noise.</param>
internal sealed record TrainingSettings(
    int Epochs, int BatchSize, double LearningRate, double MovingAverageDecay, ScalarType Type, ulong Seed);
