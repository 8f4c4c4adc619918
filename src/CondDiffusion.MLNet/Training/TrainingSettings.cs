using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The options that the training loop needs, already checked. The defaults turn everything off.
/// </summary>
internal record TrainingSettings
{
    /// <summary>The number of epochs.</summary>
    public required int Epochs { get; init; }

    /// <summary>The number of images in a step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The learning rate over the steps.</summary>
    public required LearningRate LearningRate { get; init; }

    /// <summary>Decides the order of the images and every other random number.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Data type of the convolutions and activations.</summary>
    public ScalarType Type { get; init; } = ScalarType.Float32;

    /// <summary>What turns gradients into steps.</summary>
    public Optimizer Optimizer { get; init; }

    /// <summary>Upper bound of the gradient's norm; 0 for none.</summary>
    public double GradientClipNorm { get; init; }

    /// <summary>
    /// Lengths of the moving averages of the weights, with one of which the training ends; empty to end with the last
    /// weights.
    /// </summary>
    public IReadOnlyList<double> MovingAverageLengths { get; init; } = [];

    /// <summary>How far rare labels come more often than their images do, from 0 to 1.</summary>
    public double LabelBalance { get; init; }

    /// <summary>
    /// Fraction of generated images among those of each label that has real ones too; null for images that come equally
    /// often.
    /// </summary>
    public double? GeneratedFraction { get; init; }

    /// <summary>Fraction of images that are held out for the validation loss.</summary>
    public double ValidationFraction { get; init; }

    /// <summary>Minimum time between two reports. A report waits for the device.</summary>
    public TimeSpan ReportInterval { get; init; }

    /// <summary>Clock that measures the intervals and the speed.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
