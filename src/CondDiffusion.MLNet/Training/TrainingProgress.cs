using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>The state of a training after a step.</summary>
public sealed record TrainingProgress
{
    /// <summary>The epoch that the step belongs to, from 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>The number of epochs in the training.</summary>
    public required int Epochs { get; init; }

    /// <summary>The number of steps done, over all epochs, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>The number of steps in the training.</summary>
    public required long Steps { get; init; }

    /// <summary>The number of steps in an epoch.</summary>
    public required int StepsPerEpoch { get; init; }

    /// <summary>
    /// The step's loss. For image generation it is the mean squared error of what the network predicts, noise or
    /// velocity; about 1 for an untrained network. For classification it is the cross-entropy, weighted by the images'
    /// weights. With <see cref="ConditionalDiffusionTrainer.Options.MinSnrGamma"/> it is the weighted error that the
    /// training minimizes, and so are the other losses: they compare only with losses of the same weights. With
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelSharing"/> it includes the term that this adds, which
    /// <see cref="ValidationLoss"/> does not.
    /// </summary>
    public required double Loss { get; init; }

    /// <summary>
    /// The mean of <see cref="Loss"/> over the images of this epoch so far; at the last step of an epoch, the loss of
    /// the epoch.
    /// </summary>
    public required double MeanLoss { get; init; }

    /// <summary>An exponential moving average of <see cref="Loss"/> over about fifty steps.</summary>
    public required double SmoothedLoss { get; init; }

    /// <summary>
    /// At the end of an epoch, the loss of the averaged weights on the images that are held out, with the same noise
    /// every time; null within an epoch, or if no images are held out.
    /// </summary>
    public double? ValidationLoss { get; init; }

    /// <summary>
    /// At the end of every <see cref="ConditionalDiffusionTrainer.Options.SampleEpochs"/>-th epoch, images generated
    /// with the averaged weights: one of each of the first ten labels, in the order of their keys, from each of four
    /// noises. Otherwise null. The receiver owns them.
    /// </summary>
    public IReadOnlyList<MLImage>? Samples { get; init; }

    /// <summary>The step's learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>The Euclidean norm of the step's gradient, before it was clipped.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The number of training images per second since the training began.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>
    /// The time that the remaining steps will take at the speed so far; <see cref="TimeSpan.MaxValue"/> if it is more
    /// than that can hold.
    /// </summary>
    public required TimeSpan TimeLeft { get; init; }

    /// <summary>Whether this was the last step of its epoch.</summary>
    public bool EndsEpoch => Step % StepsPerEpoch == 0;
}
