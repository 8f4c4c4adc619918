using System.Diagnostics.CodeAnalysis;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The options that the training of a diffusion model needs besides. The defaults are DDPM as published (Ho et al.
/// 2020).
/// </summary>
internal sealed record DiffusionSettings : TrainingSettings
{
    public DiffusionSettings()
    {
    }

    /// <param name="common">The options of every training loop.</param>
    [SetsRequiredMembers]
    public DiffusionSettings(TrainingSettings common)
        : base(common)
    {
    }

    /// <summary>What the network predicts.</summary>
    public PredictionTarget Target { get; init; }

    /// <summary>Upper bound of the signal-to-noise ratio in the weights of the loss; 0 for no weights.</summary>
    public double MinSnrGamma { get; init; }

    /// <summary>Fraction of images whose label is hidden.</summary>
    public double LabelDropout { get; init; }

    /// <summary>How strongly the predictions for two labels are drawn to each other.</summary>
    public double LabelSharing { get; init; }

    /// <summary>How timesteps are chosen.</summary>
    public TimestepSampling TimestepSampling { get; init; }

    /// <summary>Mean of the logarithm of the noise level in a log-normal distribution.</summary>
    public double NoiseLevelMean { get; init; }

    /// <summary>Standard deviation of the logarithm of the noise level in a log-normal distribution.</summary>
    public double NoiseLevelDeviation { get; init; } = 1;

    /// <summary>How training images are transformed, which the network is told where it can be.</summary>
    public AffineAugmentation Augmentation { get; init; } = new(0, 0, 0);

    /// <summary>Creates the loss of a network.</summary>
    public DiffusionLoss CreateLoss(ConditionalUNet network, NoiseSchedule schedule) =>
        new(network, schedule, this);
}
