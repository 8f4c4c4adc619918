using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>Where a training stands after a step.</summary>
public sealed record TrainingProgress
{
    /// <summary>The pass over the data that the step belongs to, from 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>Passes in all.</summary>
    public required int Epochs { get; init; }

    /// <summary>Steps done, over all epochs, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Steps in all.</summary>
    public required long Steps { get; init; }

    /// <summary>Steps in an epoch.</summary>
    public required int StepsPerEpoch { get; init; }

    /// <summary>The step's mean squared error of what the network predicts, noise or velocity; about 1 for an untrained network.</summary>
    public required double Loss { get; init; }

    /// <summary>The mean of <see cref="Loss"/> over the images of this epoch so far; at an epoch's last step, the epoch's loss.</summary>
    public required double MeanLoss { get; init; }

    /// <summary>An exponential moving average of <see cref="Loss"/> over about fifty steps.</summary>
    public required double SmoothedLoss { get; init; }

    /// <summary>
    /// At an epoch's end, the loss of the averaged weights on the images that were held out, over the same noise every time; null within an
    /// epoch, or where none are held out.
    /// </summary>
    public double? ValidationLoss { get; init; }

    /// <summary>
    /// At the end of every <see cref="ConditionalDiffusionTrainer.Options.SampleEpochs"/>-th epoch, pictures by the averaged weights: one of each
    /// of the first ten labels, in the keys' order, from each of four noises. They are the receiver's. Otherwise null.
    /// </summary>
    public IReadOnlyList<MLImage>? Samples { get; init; }

    /// <summary>The step's learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Euclidean norm of the step's gradient, before it was clipped.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Training images per second since the training began.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>What the remaining steps will take at the speed so far.</summary>
    public required TimeSpan TimeLeft { get; init; }

    /// <summary>Whether this was the last step of its epoch.</summary>
    public bool EndsEpoch => Step % StepsPerEpoch == 0;
}
