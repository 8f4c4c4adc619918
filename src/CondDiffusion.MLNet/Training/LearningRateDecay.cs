namespace CondDiffusion.MLNet;

/// <summary>How the learning rate falls after its warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>It stays constant. A training can resume from its end with more epochs.</summary>
    None,

    /// <summary>
    /// It falls to 0 along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5). A training can
    /// resume only with the same number of epochs.
    /// </summary>
    Cosine,

    /// <summary>
    /// It stays constant until the last fifth of the steps, and there falls linearly to 0 (Hägele et al. 2024, arXiv
    /// 2405.18392, section 4). A training can resume with more epochs from the checkpoint before the fall, which is
    /// kept; and with fewer ones from a checkpoint before their fall, if there is one.
    /// </summary>
    Cooldown,
}
