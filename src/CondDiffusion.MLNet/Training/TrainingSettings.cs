using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>What the training loop needs to know of the options, already checked. Its defaults are the method's.</summary>
internal sealed record TrainingSettings
{
    public required int Epochs { get; init; }

    /// <summary>Images in a step.</summary>
    public required int BatchSize { get; init; }

    public required LearningRate LearningRate { get; init; }

    /// <summary>Decides the images' order and the noise.</summary>
    public required ulong Seed { get; init; }

    public PredictionTarget Target { get; init; }

    /// <summary>The most that a signal-to-noise ratio counts; 0 for no weights.</summary>
    public double MinSnrGamma { get; init; }

    /// <summary>The share of images whose label is hidden.</summary>
    public double LabelDropout { get; init; }

    /// <summary>The most that the gradient's norm may be; 0 for no bound.</summary>
    public double GradientClipNorm { get; init; }

    /// <summary>Of the averaged weights that the training ends with; 0 for the last weights.</summary>
    public double MovingAverageDecay { get; init; }

    /// <summary>Of the convolutions and activations.</summary>
    public ScalarType Type { get; init; } = ScalarType.Float32;

    /// <summary>The share of images that are held out for the validation loss.</summary>
    public double ValidationFraction { get; init; }

    /// <summary>The least time between two reports: reading the loss waits for the device.</summary>
    public TimeSpan ReportInterval { get; init; }

    /// <summary>Measures the intervals and the speed.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
