using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

public sealed partial class DistillationTrainer
{
    /// <summary>
    /// Everything that can be chosen for a distillation. The channels and the size of the images are those of the
    /// model, whatever is set here.
    /// </summary>
    public sealed record Options : ImageTrainerOptions
    {
        /// <summary>Creates the default options.</summary>
        public Options()
        {
            Epochs = 5;
            Optimizer = Optimizer.Muon;
            LearningRateDecay = LearningRateDecay.Cosine;
        }

        /// <summary>Steps in which the distilled model generates an image. It takes no other number of them.</summary>
        /// <value>
        /// From 1 to the model's timesteps. Where the model is itself distilled, a divisor of its own number of steps,
        /// and less than that. Default: 4.
        /// </value>
        public int Steps { get; init; } = 4;

        /// <summary>
        /// Steps of the model for each of the distilled one's. More of them are more exact. They cost as many
        /// evaluations of the network for each training image, and one more for each step within the model's interval
        /// of guidance.
        /// </summary>
        /// <value>
        /// From 1 to the model's timesteps divided by <see cref="Steps"/>, or null for 4, or for as many as there can
        /// be. Where the model is itself distilled, only its own number of steps divided by <see cref="Steps"/> is
        /// valid, for which null stands, too. Default: null.
        /// </value>
        public int? TeacherSteps { get; init; }

        /// <summary>The model to distill, which decides the result as the options do.</summary>
        private ITrainedModel? Teacher { get; init; }

        /// <inheritdoc/>
        private protected override double OwnLearningRate => 1e-3;

        /// <inheritdoc/>
        private protected override IEnumerable<(string Name, string Value)> OwnIdentity =>
        [
            (nameof(Steps), Text(Steps)),
            (nameof(TeacherSteps), Text(TeacherSteps!.Value)),
            (nameof(Teacher), InitialModel.From(Teacher!, Role).Fingerprint),
            (nameof(Sampling.Sampler), $"{Sampling.Sampler}"),
            (nameof(Sampling.GuidanceScale), Text(Teacher!.Description.GuidanceScale)),
            (nameof(Sampling.GuidanceSigmaLow), Text(Sampling.GuidanceSigmaLow)),
            (nameof(Sampling.GuidanceSigmaHigh), Text(Sampling.GuidanceSigmaHigh ?? double.PositiveInfinity)),
            (nameof(Sampling.ClipPixels), $"{Sampling.ClipPixels}"),
        ];

        private SamplingOptions Sampling => Teacher!.Description.Sampling;

        /// <summary>Returns the options for a model, with what they leave to it.</summary>
        /// <param name="teacher">The model to distill.</param>
        /// <exception cref="ArgumentException">
        /// An option is out of its range or does not fit the model; the message names each one.
        /// </exception>
        internal Options For(ITrainedModel teacher)
        {
            var model = teacher.Description;
            var options = this with
            {
                Channels = model.Network.Channels,
                Height = model.Network.Height,
                Width = model.Network.Width,
                Teacher = teacher,
            };
            var errors = new OptionErrors();
            options.Check(model, errors);
            if (errors.Text is { } text)
                throw new ArgumentException($"Invalid options for {nameof(DistillationTrainer)}: {text}");

            return options with { TeacherSteps = TeacherSteps ?? OwnTeacherSteps(model) };
        }

        /// <summary>
        /// Returns the timesteps at which the model takes a step, those of the distilled one among them.
        /// </summary>
        internal int[] TeacherTimesteps(ModelDescription model)
        {
            var schedule = model.CreateSchedule();
            return model.DistilledSteps is { } known
                ? Timesteps.Choose(schedule, StepSpacing.Angle, known)
                : Timesteps.Divide(
                    schedule, Timesteps.Choose(schedule, StepSpacing.Angle, Steps), TeacherSteps!.Value);
        }

        /// <summary>Returns what the training loop needs of the options.</summary>
        /// <param name="seed">The seed in use, which the options may leave open.</param>
        /// <param name="type">Data type in use, which the options may leave to the device.</param>
        internal TrainingSettings LoopSettings(ulong seed, ScalarType type) => CommonSettings(seed, type);

        private int OwnTeacherSteps(ModelDescription model) =>
            model.DistilledSteps is { } known ? known / Steps : Math.Min(4, model.Timesteps / Steps);

        private void Check(ModelDescription model, OptionErrors errors)
        {
            CheckCommon(errors);
            errors.Positive(Steps, model.Timesteps);
            errors.Check(
                model.Prediction == PredictionTarget.Velocity,
                $"{nameof(model.Prediction)} of the model",
                $"{PredictionTarget.Velocity} to be distilled",
                model.Prediction);
            if (Steps < 1 || Steps > model.Timesteps) return;

            if (model.DistilledSteps is not { } known)
            {
                errors.PositiveOrNull(TeacherSteps, model.Timesteps / Steps);
                return;
            }

            errors.Check(
                Steps < known && known % Steps == 0 && HasTimesteps(model, known),
                nameof(Steps),
                $"less than {known} and a divisor of it, for a model of {model.Timesteps} timesteps that was " +
                    $"distilled to {known} steps",
                Steps);
            errors.Check(
                TeacherSteps is null || TeacherSteps * Steps == known,
                nameof(TeacherSteps),
                $"null or {known} / {nameof(Steps)}, for a model that was distilled to {known} steps",
                TeacherSteps);
        }

        /// <summary>Whether a distilled model knows the timesteps of these options' steps.</summary>
        private bool HasTimesteps(ModelDescription model, int known)
        {
            var schedule = model.CreateSchedule();
            return !Timesteps.Choose(schedule, StepSpacing.Angle, Steps)
                .Except(Timesteps.Choose(schedule, StepSpacing.Angle, known))
                .Any();
        }
    }
}
